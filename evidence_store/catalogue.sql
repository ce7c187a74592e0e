-- catalogue.db: the centre's view of its log and vault; `rebuild` makes every row of it again from the two.
-- Written by the store's sequencer alone, read by everybody. Times are milliseconds since 1970 UTC, sizes bytes.

create table if not exists applied (                    -- one row: how far this view has come
  one integer primary key check (one = 1),
  size integer not null check (size >= 0)               -- so many log entries are in the tables below
) strict;

-- What the log says, entry by entry ---------------------------------------------------------------------------------

create table if not exists event (
  log_index integer primary key check (log_index >= 0), -- place in the log
  hash blob not null unique check (length(hash) = 32),  -- SHA-256 of the envelope, its file name
  event_id text not null,                               -- UUID version 7, as the source made it
  kind text not null,                                   -- as on the wire: footage.pulled
  source text not null,                                 -- station or centre
  seq integer not null check (seq >= 1),                -- source.seq: gapless
  asset_id text,                                        -- the item it is about, null if about none
  asset_seq integer check (asset_seq >= 1),             -- asset.seq of this source
  actor_kind text not null,
  actor_id text not null,
  actor_level text not null,
  wall_unix_ms integer not null,                        -- the source's clock; claimed, not proved
  clock text not null check (clock in ('ntp', 'rtc', 'unknown')),
  subject text not null,
  unique (source, seq)
) strict;
create index if not exists event_of_asset on event (asset_id, source, asset_seq) where asset_id is not null;
create index if not exists event_by_id on event (event_id);
create index if not exists event_by_kind on event (kind, log_index);

create table if not exists source (                     -- how far each signer's chain has come
  source text primary key,
  seq integer not null check (seq >= 1),
  hash blob not null check (length(hash) = 32),         -- its last envelope, `prev` of the next
  last_wall_unix_ms integer not null
) strict, without rowid;

create table if not exists enrolled_key (               -- from key.enrolled
  key_id text primary key check (length(key_id) = 64),
  role text not null check (role in ('station', 'centre', 'log')),
  id text not null,
  public_key blob not null,
  log_index integer not null
) strict, without rowid;

-- Bytes -------------------------------------------------------------------------------------------------------------

create table if not exists blob (
  digest blob primary key check (length(digest) = 32),
  size_bytes integer not null check (size_bytes >= 0),  -- as in the vault, or as first announced
  verified_unix_ms integer                              -- when it was read back from the vault's medium; null: awaited
) strict, without rowid;
create index if not exists blob_awaited on blob (digest) where verified_unix_ms is null;

create table if not exists event_blob (                 -- blobs that an event needs before its receipt is given
  log_index integer not null references event (log_index),
  role text not null check (role in ('footage', 'chunks', 'listing', 'probe')),
  digest blob not null,
  size_bytes integer not null check (size_bytes >= 0),  -- as the event says
  primary key (log_index, role, digest)
) strict, without rowid;
create index if not exists event_by_blob on event_blob (digest);

-- Footage -----------------------------------------------------------------------------------------------------------

create table if not exists item (                       -- one file of one recorder
  asset_id text primary key check (length(asset_id) = 32),
  recorder_id text not null,
  station text not null,                                -- who pulled it first
  session_id text not null,                             -- '' if the event does not say
  raw_path blob not null,                               -- as on the recorder, losslessly
  size_bytes integer not null check (size_bytes >= 0),
  listed_size_bytes integer not null,                   -- what the recorder's file system promised
  digest blob not null check (length(digest) = 32),
  kind text not null,                                   -- footage, photo, audio, log, unknown
  locked integer not null check (locked in (0, 1)),     -- marked on the recorder as not to be overwritten
  mtime_ns integer,                                     -- raw stamp of the recorder's file system, no zone assumed
  profile text not null,
  fields text not null,                                 -- JSON: what the file's name says
  segment_rule text not null,                           -- JSON: by which rule files of this model follow each other
  flags text not null,                                  -- JSON: what people should notice: holes, truncated, …
  media text not null,                                  -- JSON: what the bytes say of themselves; {} until re-read
  witnesses text not null,                              -- JSON: every witness of its time; {} until re-read
  start_unix_ms integer,                                -- best witness of its start; null: unknown
  duration_ms integer check (duration_ms >= 0),         -- null: unknown
  pulled_index integer not null,                        -- its first footage.pulled
  pulled_wall_unix_ms integer not null,
  reread_index integer,                                 -- its footage.reread, null until then
  received_index integer,                               -- its store.received: the vault has its bytes
  received_unix_ms integer,                             -- when they were read back there
  recording_id text,                                    -- null until grouped
  recording_place integer                               -- 0 for its first file
) strict, without rowid;
create index if not exists item_of_recorder on item (recorder_id, raw_path);
create index if not exists item_of_recording on item (recording_id);
create index if not exists item_by_digest on item (digest);
create index if not exists item_not_received on item (pulled_index) where received_index is null;

create table if not exists pulled_from (                -- what the daily seal counts: every pair that a station named
  recorder_id text not null,                            -- '' if the event names none
  asset_id text not null,
  log_index integer not null,                           -- where it was said first
  primary key (recorder_id, asset_id)
) strict, without rowid;

create table if not exists stale_recorder (             -- recorders whose items changed since they were grouped
  recorder_id text primary key
) strict, without rowid;

create table if not exists recording (                  -- a view over items: made anew whenever they change
  recording_id text primary key,                        -- R- and 12 digits of its first item's id; all of them if an
                                                        -- earlier item has the same 12
  recorder_id text not null,
  start_unix_ms integer,                                -- null: unknown
  end_unix_ms integer,
  file_count integer not null check (file_count >= 1),
  size_bytes integer not null,
  sort_unix_ms integer not null                         -- start, or when it was pulled if the start is unknown
) strict, without rowid;
create index if not exists recording_by_time on recording (sort_unix_ms);
create index if not exists recording_of_recorder on recording (recorder_id, sort_unix_ms);

create table if not exists recording_finding (          -- gaps, overlaps, missing numbers, clock jumps
  recording_id text not null,
  place integer not null,
  kind text not null,
  details text not null,                                -- JSON
  primary key (recording_id, place)
) strict, without rowid;

-- What people said about it -----------------------------------------------------------------------------------------

create table if not exists tag (                        -- newest value a name and item; '' was taken away
  asset_id text not null,
  name text not null,
  value text not null,
  log_index integer not null,
  primary key (asset_id, name)
) strict, without rowid;
create index if not exists tag_by_value on tag (name, value);

create table if not exists mark (                       -- newest state a mark and item
  asset_id text not null,
  mark text not null,
  is_on integer not null check (is_on in (0, 1)),
  log_index integer not null,
  primary key (asset_id, mark)
) strict, without rowid;

create table if not exists note (                       -- interruption notes; never changed, only added to
  log_index integer primary key,
  text text not null,
  reason text not null,
  from_unix_ms integer,
  until_unix_ms integer
) strict;

create table if not exists note_asset (                 -- key columns first: SQLite's quick_check mistakes others
  asset_id text not null,
  log_index integer not null references note (log_index),
  primary key (asset_id, log_index)
) strict, without rowid;

-- What was seen on recorders ----------------------------------------------------------------------------------------

create table if not exists dock (                       -- one stay of a recorder in a dock
  log_index integer primary key,                        -- its recorder.docked
  session_id text not null,
  recorder_id text not null,
  station text not null,
  profile text not null,
  docked_unix_ms integer not null,                      -- the station's clock
  file_count integer not null,
  is_complete integer not null check (is_complete in (0, 1)),  -- 0: the listing was cut off
  listing blob,                                         -- digest of the listing, null if it names none
  is_read integer not null check (is_read in (0, 1))    -- 1: dock_entry holds it
) strict;
create index if not exists dock_by_time on dock (docked_unix_ms);
create index if not exists dock_unread on dock (listing) where is_read = 0;

create table if not exists dock_entry (                 -- what lay on the recorder then, side files left out
  dock_index integer not null references dock (log_index),
  raw_path blob not null,
  size_bytes integer not null,
  kind text not null,
  primary key (dock_index, raw_path)
) strict, without rowid;

create table if not exists missing (                    -- from footage.missing: seen, and why it was not pulled
  log_index integer primary key,
  recorder_id text not null,
  session_id text not null,
  raw_path blob not null,
  size_bytes integer not null,
  reason text not null
) strict;
create index if not exists missing_by_path on missing (recorder_id, raw_path);

create table if not exists freed (                      -- from recorder.freed: the recorder's copy is erased
  log_index integer primary key,
  asset_id text not null
) strict;
create index if not exists freed_asset on freed (asset_id);

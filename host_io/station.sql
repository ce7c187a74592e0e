-- station.db: the station's truth, together with the tables of signed_journal.sql in the same file.
-- Each table has one writer; the other programs read. Times are milliseconds since 1970 UTC, sizes bytes.

-- Written by the edge agent -------------------------------------------------------------------------------------

create table if not exists recorder (
  recorder_id text primary key,
  profile text not null,
  trust text not null,                                  -- how it is known: usb-serial, file-system, folder, operator
  facts text not null,                                  -- JSON: identity facts as read
  claims text not null,                                 -- JSON: what files on the volume say of it; believed by nobody
  first_docked_unix_ms integer not null,
  last_docked_unix_ms integer not null
) strict;

create table if not exists recorder_shown (             -- agent: what all dockings of a recorder up to the last one showed
  recorder_id text primary key references recorder (recorder_id),
  session_id text not null,                             -- the last docking
  shown text not null                                   -- JSON: serial number, USB id, volume number, newest file number
) strict;

create table if not exists session (                    -- one stay of a recorder in a dock
  session_id text primary key,
  place blob not null,                                  -- folder or mount point, raw bytes
  port_path text,                                       -- USB port path, the key of a physical dock; null for folders
  recorder_id text references recorder (recorder_id),   -- null until identified
  state text not null check (state in ('docked', 'pulling', 'waiting', 'interrupted', 'pulled', 'failed', 'gone')),
  stamp_meaning text not null default 'unsure',         -- what its file system's stamps count (edge_agent/volume_facts.py)
  verdict text check (verdict in ('pass', 'warn', 'fail')),  -- of the pre-flight check
  problem text,                                         -- code of what went wrong, null if nothing did
  problem_text text,
  findings text not null default '[]',                  -- JSON: what was found at this docking, the first hundred
  file_count integer not null default 0,                -- files to pull
  byte_count integer not null default 0,
  pulled_byte_count integer not null default 0,         -- bytes copied in this session
  pull_ms integer not null default 0,                   -- from the first file to the last seal, on the monotonic clock
  docked_seq integer references envelope (seq),         -- its recorder.docked
  preflight_seq integer references envelope (seq),      -- its preflight.done
  started_unix_ms integer not null,
  ended_unix_ms integer
) strict;
create index if not exists session_of_recorder on session (recorder_id, started_unix_ms);

create table if not exists item (                       -- one file of one recorder, once its bytes are in the spool
  asset_id text primary key check (length(asset_id) = 32),
  recorder_id text not null references recorder (recorder_id),
  session_id text not null references session (session_id),
  raw_path blob not null,                               -- as on the recorder, losslessly
  size_bytes integer not null check (size_bytes >= 0),
  mtime_ns integer not null,                            -- raw stamp, no zone assumed
  digest blob not null check (length(digest) = 32),
  head_digest blob not null,                            -- of the first MiB: to know the file again at the next docking
  tail_digest blob not null,                            -- of the last MiB
  kind text not null,                                   -- footage, photo, audio, log, unknown
  locked integer not null check (locked in (0, 1)),
  flawed integer not null default 0 check (flawed in (0, 1)),  -- has holes, or another length than the recorder told
  pulled_seq integer not null references envelope (seq),  -- its footage.pulled
  reread_seq integer references envelope (seq),         -- its footage.reread, null until the spool copy was read again
  freed_seq integer references envelope (seq),          -- its recorder.freed, null while the recorder has it
  pulled_unix_ms integer not null,
  unique (recorder_id, raw_path, size_bytes, digest)
) strict;
create index if not exists item_known on item (recorder_id, raw_path, size_bytes, mtime_ns);
create index if not exists item_of_digest on item (digest);
create index if not exists item_to_reread on item (pulled_seq) where reread_seq is null;

create table if not exists session_file (               -- items that one of the last dockings brought or met again
  session_id text not null references session (session_id),
  asset_id text not null references item (asset_id),
  is_new integer not null check (is_new in (0, 1)),     -- 0: known from an earlier docking
  primary key (session_id, asset_id)
) strict, without rowid;

create table if not exists awaited_file (               -- listed on a recorder and not in the spool yet
  recorder_id text not null references recorder (recorder_id),
  raw_path blob not null,
  size_bytes integer not null,
  mtime_ns integer not null,
  session_id text not null references session (session_id),  -- where it was seen first
  missing_seq integer references envelope (seq),        -- its footage.missing, null while it may still come
  primary key (recorder_id, raw_path)
) strict, without rowid;

create table if not exists told_gap (                   -- a footage.gap that was said once is not said at every docking
  recorder_id text not null references recorder (recorder_id),
  gap_digest blob not null check (length(gap_digest) = 32),  -- SHA-256 of the event's body without session
  seq integer not null references envelope (seq),
  primary key (recorder_id, gap_digest)
) strict, without rowid;

create table if not exists freeing (                    -- copies about to be erased; gone once the event is signed
  asset_id text primary key references item (asset_id),
  session_id text not null references session (session_id),
  reasons text not null,                                -- JSON: why it may be erased, as decided
  decided_unix_ms integer not null
) strict, without rowid;

create table if not exists partial_copy (               -- a copy that was cut off, kept to go on from where it stopped
  recorder_id text not null,
  raw_path blob not null,
  size_bytes integer not null,
  mtime_ns integer not null,
  part_name text not null unique,                       -- in spool/incoming
  synced_bytes integer not null check (synced_bytes >= 0),  -- so many bytes are on the medium
  synced_digest blob not null check (length(synced_digest) = 32),  -- SHA-256 of these as they came from the recorder
  primary key (recorder_id, raw_path, size_bytes, mtime_ns)
) strict, without rowid;

create table if not exists spool_blob (                 -- bytes that wait for the store's receipt
  digest blob primary key check (length(digest) = 32),
  size_bytes integer not null check (size_bytes >= 0),
  place text not null check (place in ('footage', 'blobs')),  -- folder of the spool
  made_unix_ms integer not null
) strict, without rowid;

-- Written by the ingest daemon ----------------------------------------------------------------------------------

create table if not exists hand_over (                  -- how far a spool blob is on its way to the store
  digest blob primary key references spool_blob (digest),
  upload_url text,                                      -- where the resumable upload goes on
  handed_over_unix_ms integer,                          -- the store has all bytes (not yet: has verified them)
  removed_unix_ms integer                               -- the spool copy was removed, after every receipt that needs it
) strict, without rowid;

-- Written by any of them ----------------------------------------------------------------------------------------

create table if not exists station_finding (            -- what people should see until it is cured
  finding_id integer primary key,
  found_unix_ms integer not null,
  code text not null,
  severity text not null check (severity in ('note', 'fault', 'damage')),
  subject text not null,
  details text not null,                                -- JSON
  cleared_unix_ms integer,
  unique (code, subject, details)
) strict;

-- An item's state says what is durably true; it is derived, so that no two programs write it.
create view if not exists item_state as
select item.*,
  case
    when item.freed_seq is not null then 'freed'
    when pulled.receipt is not null then 'receipted'
    when hand_over.handed_over_unix_ms is not null then 'uploaded'
    else 'sealed'
  end as state
from item
join envelope as pulled on pulled.seq = item.pulled_seq
left join hand_over on hand_over.digest = item.digest;

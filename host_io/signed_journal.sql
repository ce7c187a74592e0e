-- The signed journal of one signer (a station in station.db, the centre in centre.db): what it said, in order, for good.
-- The row is the truth: it is committed in one transaction with the state it speaks of.

create table if not exists envelope (
  seq integer primary key check (seq >= 1),             -- source.seq: gapless from 1
  event_id text not null unique,                        -- UUID version 7
  kind text not null,                                   -- as on the wire: footage.pulled
  hash blob not null unique check (length(hash) = 32),  -- SHA-256 of raw; `prev` of the next
  raw blob not null check (length(raw) <= 61440),       -- the envelope as signed, byte for byte
  leaf_signature blob not null check (length(leaf_signature) = 64),
  asset_id text,                                        -- the item it is about, null if about none
  asset_seq integer check (asset_seq >= 1),             -- asset.seq of this signer: gapless from 1 for each item
  signed_unix_ms integer not null,
  receipt blob,                                         -- the receipt as verified, null until then
  log_index integer check (log_index >= 0),             -- place in the log that the receipt proves
  receipted_unix_ms integer,
  refused text,                                         -- code by which the centre refused it, null if it did not
  check ((receipt is null) = (receipted_unix_ms is null))
) strict;
create index if not exists envelope_waiting on envelope (seq) where receipt is null;
create unique index if not exists envelope_of_asset on envelope (asset_id, asset_seq) where asset_id is not null;
create unique index if not exists envelope_by_log_index on envelope (log_index) where log_index is not null;

create table if not exists envelope_blob (              -- blobs that the centre must hold before it gives the receipt
  seq integer not null references envelope (seq),
  role text not null,
  digest blob not null check (length(digest) = 32),
  size_bytes integer not null check (size_bytes >= 0),
  primary key (seq, digest, role)
) strict, without rowid;
create index if not exists envelope_by_blob on envelope_blob (digest);

create table if not exists stamp_heard (                -- newest RFC 3161 time stamp that was heard of: a beacon's token
  id integer primary key check (id = 1),
  token blob not null check (length(token) = 32)        -- SHA-256 of the authority's answer
) strict;

create table if not exists checkpoint_seen (            -- newest checkpoint that a verified receipt or the topic brought
  size integer primary key check (size >= 1),
  root blob not null check (length(root) = 32),
  note blob not null,                                   -- the signed note, byte for byte
  seen_unix_ms integer not null
) strict;

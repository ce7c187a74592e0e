-- fixity.db: when each file of the vault was read again. Written by the store's fixity thread alone, or by
-- `evidock store fixity --now` while it holds the store's lock. May be lost: then every file counts as read when it came.

create table if not exists checked (
  digest blob primary key check (length(digest) = 32),
  size_bytes integer not null,
  checked_unix_ms integer not null,
  verdict text not null check (verdict in ('sound', 'altered', 'missing', 'unreadable')),
  failure text,                                         -- JSON of what is to be said of it; null: sound
  is_said integer not null default 0                    -- whether a signed event of the centre tells of this check
) strict, without rowid;
create index if not exists checked_unsaid on checked (digest) where is_said = 0;

create table if not exists asked (                      -- one row: somebody wants everything read now
  one integer primary key check (one = 1),
  since_unix_ms integer not null,
  left_count integer                                    -- null: all
) strict;

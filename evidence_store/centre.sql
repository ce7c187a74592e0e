-- centre.db: what the centre itself said (tables of signed_journal.sql in the same file) and what it must not forget
-- although no log entry speaks of it. Not a view: it is backed up like the log.

create table if not exists centre_finding (             -- what people should see until it is cured
  finding_id integer primary key,
  found_unix_ms integer not null,
  code text not null,
  severity text not null check (severity in ('note', 'fault', 'damage')),
  subject text not null,
  details text not null,                                -- JSON
  cleared_unix_ms integer,
  unique (code, subject, details)
) strict;

create table if not exists refused_evidence (           -- envelopes that their source signed and that contradict the log
  hash blob primary key check (length(hash) = 32),
  source text not null,
  seq integer not null,
  code text not null,
  raw blob not null,                                    -- byte for byte: proof that a key said two things
  seen_unix_ms integer not null
) strict, without rowid;

create table if not exists centre_moment (              -- when something happened last, for the status page
  name text primary key,                                -- receipt, verification, reconciliation, fixity
  at_unix_ms integer not null
) strict, without rowid;

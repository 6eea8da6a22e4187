-- The journal: one row an event, appended and never changed; purge is the only delete.
create table if not exists durablenb_format (version integer not null);

-- Up to which frame of the durable log the tables are: the last row counts.
create table if not exists durablenb_log (
    hub      varchar not null,  -- the id of this hub, which its log has, too
    number   bigint  not null,  -- of the frame
    checksum bigint  not null,  -- of the frame
    has_log  boolean not null   -- false: the hub was closed, and needs no log
);

create table if not exists journal (
    seq          bigint    not null,  -- place among all events of the hub, from 1
    instance_id  varchar   not null,
    execution_id varchar   not null,
    event_id     integer   not null,  -- place in the execution's history, from 1
    event_type   varchar   not null,
    timestamp    timestamp not null,  -- UTC
    name         varchar,             -- of the activity, the orchestrator or the external event
    task_id      integer,             -- which of the execution's tasks
    payload      varchar,             -- JSON: input, result, failure, reason or custom status
    started_at   timestamp,           -- UTC: when the activity that ended here had begun
    attributes   varchar              -- JSON: what only some events have
);

-- The source texts that orchestrators had when executions began, each once.
create table if not exists sources (
    hash varchar not null primary key,  -- 16 hexadecimal digits of SHA-256
    text varchar not null
);

-- What activities and orchestrators print: one row a line. No fact follows from it.
create table if not exists log_lines (
    seq          bigint    not null,  -- place among all lines of the hub
    instance_id  varchar   not null,
    execution_id varchar   not null,
    task_id      integer,             -- the call that printed it; NULL: the orchestrator itself
    name         varchar   not null,  -- of the activity or the orchestrator
    attempt      integer   not null,  -- of a call that is made again when it fails, from 1
    timestamp    timestamp not null,  -- UTC
    stream       varchar   not null,  -- stdout, stderr or logging
    level        varchar,             -- of a record of logging
    logger       varchar,             -- of a record of logging
    message      varchar   not null
);

-- The tries of activities that ran for a while or reported something: one row a try, replaced when it reports more.
-- No fact follows from it.
create table if not exists activity_attempts (
    instance_id  varchar   not null,
    execution_id varchar   not null,
    task_id      integer   not null,
    key          varchar   not null,  -- of the call: all its tries have it
    attempt      integer   not null,  -- number of the try, from 1: retries and interrupted tries count
    retry        integer   not null,  -- number of the try as a retry policy counts
    started_at   timestamp not null,  -- UTC
    worker       varchar,             -- thread or process; NULL: the hub's own thread
    done         double,              -- of `total`, in the activity's own unit
    total        double,
    note         varchar,
    checkpoint   varchar,             -- JSON: for the next try
    reported_at  timestamp            -- UTC
);

-- What activities and orchestrators display: one row a representation of an output's last state. No fact follows from it.
create table if not exists output_parts (
    seq          bigint    not null,  -- place among all outputs of the hub
    instance_id  varchar   not null,
    execution_id varchar   not null,
    task_id      integer,             -- the call that displayed it; NULL: the orchestrator itself
    name         varchar   not null,  -- of the activity or the orchestrator
    attempt      integer   not null,  -- of a call that is made again when it fails, from 1
    timestamp    timestamp not null,  -- UTC: of the last state
    output_id    varchar   not null,  -- which output of the execution; a later state replaces the former one
    mime_type    varchar   not null,
    size         bigint    not null,  -- bytes
    text         varchar,             -- the content, if it is a text of up to 10,000 characters
    hash         varchar,             -- otherwise, the hash of the blob that has the content
    metadata     varchar              -- JSON
);

-- The limits of queues. No fact of a history follows from it, nor from the starts.
create table if not exists queue_limits (
    name         varchar   not null,
    concurrency  integer,             -- how many calls run at a time; NULL: any number
    rate_count   integer,             -- how many calls begin in any period; NULL: any number
    rate_seconds double,              -- the length of the period
    activities   varchar[] not null   -- the names of the activities that share it
);

-- The calls that began in a queue with a rate, as long as that counts them: a row is written before a call begins,
-- and one more when it has ended.
create table if not exists queue_starts (
    queue        varchar   not null,  -- in lower case
    instance_id  varchar   not null,  -- empty in the second row, and once the instance is purged
    execution_id varchar   not null,
    task_id      integer   not null,
    granted_at   timestamp not null,  -- UTC: when it got its place
    started_at   timestamp            -- UTC: when it began; NULL in the first row
);

-- The large parts of values (data frames, arrays, pictures), each once. Their bytes are in tables blob_segment_1,
-- blob_segment_2, ... (hash, content), which the view blob_contents shows as one: see blobs.py.
create table if not exists blobs (
    hash    varchar   not null primary key,  -- SHA-256 of the content
    kind    varchar   not null,              -- what it is, such as pandas.DataFrame
    size    bigint    not null,              -- bytes
    content blob      not null,              -- the bytes, if an older durablenb wrote them
    created timestamp not null               -- UTC
);

-- Which event refers to which of them.
create table if not exists blob_uses (
    seq         bigint  not null,
    instance_id varchar not null,
    hash        varchar not null
);

-- What was taken from elsewhere: never run, never changed.
create table if not exists imported (
    instance_id varchar   not null,
    origin      varchar   not null,  -- where it was taken from
    made_by     varchar   not null,  -- azure, or durablenb and its version
    imported    timestamp not null   -- UTC
);

-- The calls of activities whose results are remembered, each with its key. They outlive their instances.
create table if not exists cached_calls (
    seq          bigint    not null,  -- place of the outcome in the journal
    key          varchar   not null,  -- digest of all that has to be equal
    name         varchar   not null,  -- of the activity
    instance_id  varchar   not null,
    execution_id varchar   not null,
    task_id      integer   not null,
    timestamp    timestamp not null,  -- UTC: when it ended
    input        varchar   not null,  -- digest of the input; empty if it doesn't count
    code         varchar   not null,  -- digest of all else: see code_parts
    is_completed boolean   not null,  -- false: it failed, and has no result
    reason       varchar,             -- why it ran although there was a result: expired, refreshed
    result       varchar              -- JSON, once the journal doesn't have the event any more
);

-- What the code of a key is made of, once for each state of the code.
create table if not exists code_parts (
    code   varchar not null,
    part   varchar not null,  -- such as "code of clean", "global RATE"
    digest varchar not null   -- of a number the number, after =
);

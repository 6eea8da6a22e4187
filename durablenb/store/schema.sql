-- The journal: one row an event, appended and never changed; purge is the only delete.
create table if not exists durablenb_format (version integer not null);

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

-- The large parts of values (data frames, arrays, pictures), each once.
create table if not exists blobs (
    hash    varchar   not null primary key,  -- SHA-256 of the content
    kind    varchar   not null,              -- what it is, such as pandas.DataFrame
    size    bigint    not null,              -- bytes
    content blob      not null,
    created timestamp not null               -- UTC
);

-- Which event refers to which of them.
create table if not exists blob_uses (
    seq         bigint  not null,
    instance_id varchar not null,
    hash        varchar not null
);

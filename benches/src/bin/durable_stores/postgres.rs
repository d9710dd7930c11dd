//! PostgreSQL, with the store and alone.

use std::path::Path;
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use countersign_postgres::{PostgresStore, schema};
use countersign_test::postgres_server::PostgresServer;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::load::{self, BODY, Measured};

/// The maximum number of operations in a statement, as in the store.
const BATCH: usize = 256;
/// The connections, as in the store.
const CONNECTIONS: usize = 2;

async fn server(folder: &Path, ids: u32) -> PostgresServer {
    let settings = ["max_wal_size=8GB", "shared_buffers=128MB", "wal_sync_method=fdatasync"];
    let server = PostgresServer::start(folder, &settings).await;
    server.run(&schema());
    server.run(&format!(
        "INSERT INTO countersign_claim (key, done, number, until) \
         SELECT 'bench msg_' || md5(i::text), true, 0, now() + interval '1 day' FROM generate_series(1, {ids}) AS i"
    ));
    server.run("VACUUM ANALYZE");
    server
}

pub(crate) fn store(folder: &Path, work: &str, callers: usize, time: Duration, ids: u32) -> Measured {
    load::runtime().block_on(async {
        let server = server(folder, ids).await;
        let builder = PostgresStore::builder(server.url()).timeout(Duration::from_secs(10)).max_messages(u64::MAX >> 1);
        let store = builder.build().expect("a store");
        load::of(store.clone(), store, work, callers, time).await
    })
}

/// Statements with the same rows, prepared, without the count of messages.
pub(crate) fn bare(folder: &Path, work: &str, callers: usize, time: Duration, ids: u32) -> Measured {
    let batch = callers.div_ceil(CONNECTIONS).min(BATCH);
    load::runtime().block_on(async {
        let server = server(folder, ids).await;
        let (start, mut running) = (SystemClock.instant(), JoinSet::new());
        for connection in 0..CONNECTIONS {
            running.spawn(write(server.url(), work == "enqueue", connection, batch, start + time));
        }
        let done: u32 = running.join_all().await.into_iter().sum();
        Measured { per_second: f64::from(done) / load::since(start).as_secs_f64(), p99: Duration::ZERO }
    })
}

async fn write(url: String, is_enqueue: bool, connection: usize, batch: usize, end: Instant) -> u32 {
    let (client, task) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
    tokio::spawn(task);
    let claim = client.prepare("INSERT INTO countersign_claim (key, done, number, until) SELECT key, false, 1, now() + interval '1 minute' FROM unnest($1::text[]) AS a(key) ON CONFLICT DO NOTHING").await.expect("a statement");
    let confirm = client
        .prepare(
            "UPDATE countersign_claim SET done = true, until = now() + interval '1 day' WHERE key = ANY($1::text[])",
        )
        .await
        .expect("a statement");
    let enqueue = client.prepare(
        "WITH marked AS (INSERT INTO countersign_claim (key, done, number, until) SELECT key, true, 1, now() + interval '1 day' FROM unnest($1::text[]) AS a(key) ON CONFLICT DO NOTHING),
         stored AS (INSERT INTO countersign_message (source, id, type, path, received, headers, body, remain) SELECT 'bench', key, 'batch.succeeded', '/hook', 0, headers, body, 1 FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS m(key, headers, body) RETURNING seq)
         INSERT INTO countersign_delivery (message, destination, state, attempts, since, due, number) SELECT seq, 'backend', 0, 0, now(), now(), 0 FROM stored",
    ).await.expect("a statement");
    let headers = load::headers();
    let (headers, bodies) = (vec![headers.as_bytes(); batch], vec![&BODY[..]; batch]);
    let mut done = 0;
    for number in 0.. {
        let keys: Vec<_> = (0..batch).map(|n| format!("bench {connection}_{number}_{n}")).collect();
        if is_enqueue {
            client.execute(&enqueue, &[&keys, &headers, &bodies]).await.expect("rows");
        } else {
            client.execute(&claim, &[&keys]).await.expect("rows");
            client.execute(&confirm, &[&keys]).await.expect("rows");
        }
        done += u32::try_from(batch).expect("few");
        if SystemClock.instant() > end {
            break;
        }
    }
    done
}

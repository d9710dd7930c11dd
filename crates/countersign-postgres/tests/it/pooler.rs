//! A pooler in transaction mode, which gives each transaction another connection.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign::replay::{Claim, Settled};
use countersign_inbox::{Enqueued, Inbox, Keep};
use countersign_postgres::PostgresStore;
use countersign_test::process::{Process, free_address};
use countersign_test::wait::until;

use crate::support::{LEASE, PATIENCE, claim, handle, message, now, server};

#[tokio::test]
async fn claims_and_the_inbox_work_through_a_pooler_in_transaction_mode() {
    let (server, folder) = server(&[]).await;
    let address = free_address();
    let config = folder.path().join("pgbouncer.ini");
    let text = format!(
        "[databases]\npostgres = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nunix_socket_dir =\n",
        server.address().port(),
        address.port()
    );
    fs::write(&config, text).unwrap();
    // It does not run as root. The folder belongs to the user of the server.
    let owner = fs::metadata(folder.path()).unwrap();
    let (user, group) = (owner.uid().to_string(), owner.gid().to_string());
    let is_root = fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0);
    let mut command = Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]);
    }
    // Debian keeps it where only root looks.
    let program = ["/usr/sbin/pgbouncer", "pgbouncer"].into_iter().find(|path| Path::new(path).exists());
    command.arg(program.unwrap_or("pgbouncer")).arg(&config);
    let _pooler = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));

    let store = PostgresStore::builder(format!("postgres://postgres@{address}/postgres")).timeout(PATIENCE).build();
    let store = store.unwrap();
    until("the pooler responds", async || store.check().await.is_ok()).await;
    // More calls at once than the pooler has connections.
    let calls: Vec<_> = (0..100).map(|n| store.enqueue(message(&format!("msg_{n}"), b"body"), now())).collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Enqueued::Stored);
    }
    handle(&store, "claimed").await;
    assert_eq!(claim(&store, "msg_1").await, Ok(Claim::Done));
    let leased = store.lease("backend", 1000, LEASE, now()).await.unwrap();
    assert_eq!(leased.len(), 100);
    let endings: Vec<_> = leased.into_iter().map(|one| store.acknowledge(one.receipt, now())).collect();
    for ending in endings {
        assert_eq!(ending.await.unwrap(), Settled::Recorded);
    }
    let keep = Keep { done: std::time::Duration::ZERO, dead: std::time::Duration::ZERO };
    assert_eq!(store.expire(keep, 1000, now()).await.unwrap(), 100);
}

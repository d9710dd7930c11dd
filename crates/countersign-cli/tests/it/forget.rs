//! `forget`, against the commands of the gateway's admin listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Captured, Ran, command};
use arc_swap::ArcSwap;
use countersign::clock::{Clock as _, SystemClock};
use countersign::replay::{Claim, MemoryStore, ReplayKey, ReplayStore as _};
use countersign_gateway::admin_access::{Access, Scope};
use countersign_gateway::admin_token::AdminToken;
use countersign_gateway::commands::Commands;
use countersign_gateway::inbox::Destinations;
use countersign_gateway::state::store::SourceStore;
use countersign_test::process::free_address;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const TOKEN: &str = "0123456789abcdef-token";

/// The admin listener of a gateway that has handled two messages of the source `gemini`.
pub(crate) struct AdminListener {
    address: SocketAddr,
    store: Arc<MemoryStore>,
    runtime: Runtime,
}

impl AdminListener {
    pub(crate) fn start(token: Option<&str>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let store = Arc::new(MemoryStore::builder().build());
        runtime.block_on(async {
            for id in ["msg_1", "a/b%c"] {
                let key = ReplayKey::parse("gemini", id).expect("a key");
                let now = SystemClock.read();
                let claim = store.claim(key, Duration::from_mins(1), now).await.expect("a claim");
                let Claim::Fresh(token) = claim else { panic!("{id} is new") };
                store.confirm(token, now).await.expect("it is confirmed");
            }
        });
        let stores = BTreeMap::from([("gemini".to_owned(), SourceStore::Memory(Arc::clone(&store)))]);
        let token = token.map(|text| AdminToken::new(text).expect("a token"));
        let scope = Arc::new(ArcSwap::from_pointee(Scope {
            stores,
            sources: BTreeMap::new(),
            inbox: None,
            destinations: Destinations::default(),
            reconcilers: BTreeMap::new(),
            token,
        }));
        let router = Commands::new(countersign_gateway::reload::channel().0, Access::new(true, scope)).into_router();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a socket");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, store, runtime }
    }

    pub(crate) fn forget(&self, args: &[&str]) -> Ran {
        forget(self.address, args)
    }

    /// Whether the next delivery of this message would be a duplicate.
    async fn remembers(&self, id: &str) -> bool {
        let key = ReplayKey::parse("gemini", id).expect("a key");
        let claim = self.store.claim(key, Duration::from_mins(1), SystemClock.read()).await.expect("a claim");
        matches!(claim, Claim::Done)
    }

    fn assert_remembers(&self, id: &str, expected: bool) {
        assert_eq!(self.runtime.block_on(self.remembers(id)), expected, "{id}");
    }
}

fn forget(address: SocketAddr, args: &[&str]) -> Ran {
    let admin = format!("http://{address}");
    let output: Output = command()
        .args(["forget", "--admin", &admin])
        .args(args)
        .env("ADMIN_TOKEN", TOKEN)
        .output()
        .expect("the program runs");
    output.into()
}

#[test]
fn an_id_is_forgotten_once() {
    let admin = AdminListener::start(None);
    for id in ["a/b%c", "msg_1"] {
        admin.assert_remembers(id, true);
        let ran = admin.forget(&["gemini", id]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        assert_eq!(ran.stdout, format!("forgot {id}: its next delivery to `gemini` is handled again\n"));
        admin.assert_remembers(id, false);
    }
    for (source, expected) in [("gemini", "does not remember this id"), ("other", "no such source")] {
        let ran = admin.forget(&[source, "msg_1"]);
        assert_eq!((ran.code, ran.stderr.contains(expected)), (1, true), "{ran:?}");
    }
}

#[test]
fn the_token_comes_from_a_file_or_the_environment() {
    let (admin, folder) = (AdminListener::start(Some(TOKEN)), Captured::authentic());
    let (good, wrong) = (folder.write("token", format!("{TOKEN}\n")), folder.write("wrong", "another-0123456789"));
    for args in [&[][..], &["--token-file", &wrong]] {
        let ran = admin.forget(&[&["gemini", "msg_1"], args].concat());
        assert_eq!((ran.code, ran.stderr.contains("--token-file")), (1, true), "{ran:?}");
    }
    admin.assert_remembers("msg_1", true);
    assert_eq!(admin.forget(&["gemini", "msg_1", "--token-file", &good]).code, 0);
    assert_eq!(admin.forget(&["gemini", "a/b%c", "--token-env", "ADMIN_TOKEN"]).code, 0);
}

#[test]
fn unusable_arguments_are_named() {
    let folder = Captured::authentic();
    let spaced = folder.write("token", "two words");
    for (args, expected) in [
        (&["gemini", "two words"][..], "ID: `two words`"),
        (&["gemini", "msg_1", "--token-file", &spaced], "is not a token"),
        (&["gemini", "msg_1", "--token-env", "NO_SUCH_TOKEN"], "`NO_SUCH_TOKEN` is not set"),
    ] {
        let ran = forget(free_address(), args);
        assert_eq!((ran.code, ran.stderr.contains(expected)), (2, true), "{ran:?}");
        assert!(!ran.stderr.contains("0123456789abcdef"), "{ran:?}");
    }
    let ran = forget(free_address(), &["gemini", "msg_1"]);
    assert_eq!((ran.code, ran.stderr.contains("cannot connect")), (1, true), "{ran:?}");
    let with_path: Ran = command()
        .args(["forget", "gemini", "msg_1", "--admin", "http://127.0.0.1:1/-/reload"])
        .output()
        .expect("the program runs")
        .into();
    assert_eq!((with_path.code, with_path.stderr.contains("--admin")), (2, true), "{with_path:?}");
}

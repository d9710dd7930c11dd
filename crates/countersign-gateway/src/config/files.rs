//! The files that a configuration names.

use std::path::PathBuf;

use super::{
    AuthoritiesSpec, CertificateSpec, Config, HeaderValueSpec, JwksProxySpec, ListenSpec, Route, SecretOrigin,
    SetHeaderSpec, SourceConfig, StoreSpec, TelemetrySpec,
};

/// A file that a configuration names.
struct Named {
    path: PathBuf,
    is_secret: bool,
}

fn public(path: &str) -> Named {
    Named { path: path.into(), is_secret: false }
}

fn secret(path: &str) -> Named {
    Named { path: path.into(), is_secret: true }
}

impl Config {
    /// The files that a reload reads: the file of this configuration, and the files of secrets, certificates, keys and
    /// authorities that it names.
    pub fn files(&self) -> Vec<PathBuf> {
        let folder = self.document.folder();
        let named = self.named().map(|named| folder.join(named.path));
        std::iter::once(self.file().to_owned()).chain(named).collect()
    }

    /// The files that nobody else should be able to read, each once.
    pub fn secret_files(&self) -> Vec<PathBuf> {
        let folder = self.document.folder();
        // It needs a restart, so a reload does not read it.
        let store = match &self.store {
            StoreSpec::Redis(redis) => redis.servers.urls(),
            StoreSpec::Postgres(server) => std::slice::from_ref(&server.url),
            StoreSpec::Memory | StoreSpec::Sqlite(_) => &[],
        };
        let store = store.iter().filter_map(of_origin);
        let secrets = self.named().chain(store).filter(|named| named.is_secret);
        let mut paths: Vec<_> = secrets.map(|named| folder.join(named.path)).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    fn named(&self) -> impl Iterator<Item = Named> {
        let listeners = self.server.listen.iter().flat_map(of_listener);
        let token = self.server.admin_token.as_ref().map(|token| secret(token.file()));
        let sources = self.sources.values().flat_map(of_source);
        let routes = self.targets().flat_map(|target| of_route(&target.route));
        let collector = self.telemetry.iter().flat_map(of_telemetry);
        let pull = self.server.pull.iter().flat_map(of_listener);
        let pulled = self.routes.iter().flat_map(|route| &route.destinations);
        let pulled = pulled.filter_map(|destination| of_origin(destination.pull.as_ref()?.token.as_ref()?));
        let assertion = self.assertion.iter().filter_map(|assertion| of_origin(assertion.key.as_ref()?));
        let named = listeners.chain(token).chain(sources).chain(routes).chain(collector).chain(pull).chain(pulled);
        named.chain(assertion)
    }
}

fn of_listener(listener: &ListenSpec) -> impl Iterator<Item = Named> {
    let tls = listener.tls.iter();
    tls.flat_map(|tls| tls.certificates.iter().flat_map(of_certificate).chain(tls.client_ca.as_deref().map(public)))
}

fn of_certificate(certificate: &CertificateSpec) -> [Named; 2] {
    [public(&certificate.chain), secret(&certificate.key)]
}

fn of_source(source: &SourceConfig) -> Vec<Named> {
    let secrets = source.secrets.iter().filter_map(|secret| of_origin(&secret.origin));
    let outgoing = source.jwks.iter().flat_map(|jwks| of_outgoing(jwks.ca.as_ref(), jwks.proxy.as_ref()));
    secrets.chain(outgoing).collect()
}

fn of_telemetry(telemetry: &TelemetrySpec) -> Vec<Named> {
    let headers = telemetry.headers.iter().filter_map(of_header);
    headers.chain(of_outgoing(telemetry.ca.as_ref(), telemetry.proxy.as_ref())).collect()
}

fn of_outgoing(ca: Option<&AuthoritiesSpec>, proxy: Option<&JwksProxySpec>) -> impl Iterator<Item = Named> {
    let ca = ca.and_then(AuthoritiesSpec::file).map(public);
    let proxy = proxy.and_then(|proxy| match proxy {
        JwksProxySpec::Stored(origin) => of_origin(origin),
        _ => None,
    });
    ca.into_iter().chain(proxy)
}

fn of_route(route: &Route) -> Vec<Named> {
    let headers = route.set_headers.iter().filter_map(of_header);
    let tls = route.upstream_tls.iter().flat_map(|tls| {
        let ca = tls.ca.as_ref().and_then(AuthoritiesSpec::file);
        tls.certificate.iter().flat_map(of_certificate).chain(ca.map(public))
    });
    let reconcile = route.reconcile.iter().flat_map(|reconcile| {
        let outgoing = of_outgoing(reconcile.ca.as_ref(), reconcile.proxy.as_ref());
        of_origin(&reconcile.api_key).into_iter().chain(outgoing)
    });
    headers.chain(tls).chain(reconcile).collect()
}

fn of_header(header: &SetHeaderSpec) -> Option<Named> {
    match &header.value {
        HeaderValueSpec::Stored(origin) => of_origin(origin),
        HeaderValueSpec::Text(_) => None,
    }
}

fn of_origin(origin: &SecretOrigin) -> Option<Named> {
    match origin {
        SecretOrigin::File(path) => Some(secret(path)),
        SecretOrigin::Env(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Document;

    #[test]
    fn every_file_that_is_named_is_listed() {
        let text = "[server]\nadmin = \"127.0.0.1:9901\"\nadmin_token = { file = \"admin.token\" }\n\
                    listen = [{ address = \"127.0.0.1:8080\", tls = { certificates = [{ chain = \"a.pem\", \
                    key = \"/keys/a.key\" }], client_ca = \"ca.pem\" } }]\n\
                    [sources.a]\nsecrets = [{ file = \"a.secret\" }, { env = \"B\" }]\n\
                    jwks = { url = \"https://example.com/keys\", ca = \"jwks.pem\", proxy = { file = \"proxy.url\" } }\n\
                    [[routes]]\npath = \"/\"\nsource = \"a\"\nupstream = [\"https://127.0.0.1:3000\"]\n\
                    upstream_tls = { ca = \"up.pem\", certificate = { chain = \"b.pem\", key = \"b.key\" } }\n\
                    set_headers = { authorization = { file = \"backend.token\" }, x-a = \"b\" }\n\
                    [telemetry]\notlp = \"https://127.0.0.1:4318\"\nheaders = { x-key = { file = \"otlp.key\" } }\n\
                    ca = \"otlp.pem\"\nproxy = { file = \"otlp.url\" }\n\
                    [assertion]\nissuer = \"https://gateway\"\nkey = { file = \"assertion.key\" }\n\
                    [store]\nengine = \"redis\"\nurl = { file = \"redis.url\" }\n";
        let config = Config::parse(Document::new(Path::new("/etc/gateway.toml"), text.to_owned())).unwrap();
        let expected = [
            "/etc/gateway.toml",
            "/etc/a.pem",
            "/keys/a.key",
            "/etc/ca.pem",
            "/etc/admin.token",
            "/etc/a.secret",
            "/etc/jwks.pem",
            "/etc/proxy.url",
            "/etc/backend.token",
            "/etc/b.pem",
            "/etc/b.key",
            "/etc/up.pem",
            "/etc/otlp.key",
            "/etc/otlp.pem",
            "/etc/otlp.url",
            "/etc/assertion.key",
        ];
        assert_eq!(config.files(), expected.map(PathBuf::from));
        let secrets = [
            "/etc/a.secret",
            "/etc/admin.token",
            "/etc/assertion.key",
            "/etc/b.key",
            "/etc/backend.token",
            "/etc/otlp.key",
            "/etc/otlp.url",
            "/etc/proxy.url",
            "/etc/redis.url",
            "/keys/a.key",
        ];
        assert_eq!(config.secret_files(), secrets.map(PathBuf::from));
    }
}

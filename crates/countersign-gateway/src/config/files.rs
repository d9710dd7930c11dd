//! The files that a reload reads: the configuration, and those that it names.

use std::path::PathBuf;

use super::{
    AuthoritiesSpec, CertificateSpec, Config, HeaderValueSpec, JwksProxySpec, Route, SecretOrigin, SetHeaderSpec,
    SourceConfig, TelemetrySpec,
};

impl Config {
    /// The file of this configuration, and the files of secrets, certificates, keys and authorities that it names.
    pub fn files(&self) -> Vec<PathBuf> {
        let folder = self.document.folder();
        let listeners = self.server.listen.iter().filter_map(|listener| listener.tls.as_ref());
        let listeners = listeners.flat_map(|tls| {
            tls.certificates.iter().flat_map(of_certificate).chain(tls.client_ca.as_deref()).map(PathBuf::from)
        });
        let token = self.server.admin_token.as_ref().map(|token| PathBuf::from(token.file()));
        let sources = self.sources.values().flat_map(of_source);
        let routes = self.targets().flat_map(|target| of_route(&target.route));
        let collector = self.telemetry.iter().flat_map(of_telemetry);
        let pull = self.server.pull.iter().filter_map(|listener| listener.tls.as_ref());
        let pull = pull.flat_map(|tls| {
            tls.certificates.iter().flat_map(of_certificate).chain(tls.client_ca.as_deref()).map(PathBuf::from)
        });
        let pulled = self.routes.iter().flat_map(|route| &route.destinations);
        let pulled = pulled.filter_map(|destination| of_origin(destination.pull.as_ref()?.token.as_ref()?));
        let named = listeners.chain(token).chain(sources).chain(routes).chain(collector).chain(pull).chain(pulled);
        let named = named.map(|file| folder.join(file));
        std::iter::once(self.file().to_owned()).chain(named).collect()
    }
}

fn of_certificate(certificate: &CertificateSpec) -> [&str; 2] {
    [&certificate.chain, &certificate.key]
}

fn of_source(source: &SourceConfig) -> Vec<PathBuf> {
    let secrets = source.secrets.iter().filter_map(|secret| of_origin(&secret.origin));
    let outgoing = source.jwks.iter().flat_map(|jwks| of_outgoing(jwks.ca.as_ref(), jwks.proxy.as_ref()));
    secrets.chain(outgoing).collect()
}

fn of_telemetry(telemetry: &TelemetrySpec) -> Vec<PathBuf> {
    let headers = telemetry.headers.iter().filter_map(of_header);
    headers.chain(of_outgoing(telemetry.ca.as_ref(), telemetry.proxy.as_ref())).collect()
}

fn of_outgoing(ca: Option<&AuthoritiesSpec>, proxy: Option<&JwksProxySpec>) -> impl Iterator<Item = PathBuf> {
    let ca = ca.and_then(AuthoritiesSpec::file).map(PathBuf::from);
    let proxy = proxy.and_then(|proxy| match proxy {
        JwksProxySpec::Stored(origin) => of_origin(origin),
        _ => None,
    });
    ca.into_iter().chain(proxy)
}

fn of_route(route: &Route) -> Vec<PathBuf> {
    let headers = route.set_headers.iter().filter_map(of_header);
    let tls = route.upstream_tls.iter().flat_map(|tls| {
        let ca = tls.ca.as_ref().and_then(AuthoritiesSpec::file);
        tls.certificate.iter().flat_map(of_certificate).chain(ca).map(PathBuf::from)
    });
    let api_key = route.reconcile.iter().filter_map(|reconcile| of_origin(&reconcile.api_key));
    headers.chain(tls).chain(api_key).collect()
}

fn of_header(header: &SetHeaderSpec) -> Option<PathBuf> {
    match &header.value {
        HeaderValueSpec::Stored(origin) => of_origin(origin),
        HeaderValueSpec::Text(_) => None,
    }
}

fn of_origin(origin: &SecretOrigin) -> Option<PathBuf> {
    match origin {
        SecretOrigin::File(path) => Some(path.into()),
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
                    ca = \"otlp.pem\"\nproxy = { file = \"otlp.url\" }\n";
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
        ];
        assert_eq!(config.files(), expected.map(PathBuf::from));
    }
}

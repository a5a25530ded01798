//! A certificate authority of a test's own, the servers that demand its certificates, and the kubeconfigs that hold them.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// A certificate authority.
#[derive(Debug)]
pub struct Issuer(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Issuer {
    /// Another one each time.
    pub fn new(name: &str) -> Issuer {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Issuer(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for 127.0.0.1. It is good for a client too: etcd shows its own to itself.
    pub fn server(&self) -> Pair {
        self.pair("a test's own server", vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A client's certificate.
    pub fn client(&self, name: &str) -> Pair {
        self.pair(name, vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    fn pair(&self, name: &str, uses: Vec<ExtendedKeyUsagePurpose>) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        params.extended_key_usages = uses;
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    /// The configuration of a server on 127.0.0.1 that demands a certificate of this authority from its clients.
    pub fn demanding(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let server = self.server();
        let chain = vec![CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()];
        let key = PrivatePkcs8KeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key.into())
            .unwrap();
        Arc::new(config)
    }

    /// A kubeconfig for a server with a certificate of this authority, for a client with this one; `user` is what else its user
    /// has, each in a line of its own.
    pub fn kubeconfig(&self, server: &str, client: &Pair, user: &str) -> String {
        let encode = |text: &str| STANDARD.encode(text);
        let user: String = user.lines().map(|line| format!("    {line}\n")).collect();
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: main\ncontexts:\n- name: main\n  context:\n    cluster: here\n    \
             user: ada\nclusters:\n- name: here\n  cluster:\n    server: {server}\n    certificate-authority-data: {}\nusers:\n\
             - name: ada\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n{user}",
            encode(&self.pem()),
            encode(&client.certificate),
            encode(&client.key)
        )
    }
}

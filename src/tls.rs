//! TLS: the cryptography provider, and which certificates are trusted.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tracing::warn;

/// Installs ring as the cryptography provider of rustls for this process. It must be called before an
/// HTTPS client is created.
pub fn install_crypto_provider() {
    // This fails if a provider is installed already, and then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// How an HTTPS client verifies the certificates of servers: with those of the system, or those in the file
/// that the environment variable `SSL_CERT_FILE` names. A certificate in that file is also accepted as
/// the server's own.
///
/// The certificates are read once in a process.
pub fn client_config() -> ClientConfig {
    static CONFIG: LazyLock<ClientConfig> = LazyLock::new(|| {
        install_crypto_provider();
        config_for(trusted_certificates())
    });
    CONFIG.clone()
}

fn trusted_certificates() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(%error, "a CA certificate cannot be read");
    }
    if found.certs.is_empty() {
        // Without CA certificates http still works, and a server that needs only http must be
        // able to start.
        warn!("found no CA certificates; requests to https URLs will fail");
    }
    found.certs
}

fn config_for(certificates: Vec<CertificateDer<'static>>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    let roots = Arc::new(roots);
    let builder = ClientConfig::builder();
    // A verifier cannot be made without a root certificate.
    let mut config = match WebPkiServerVerifier::builder(Arc::clone(&roots)).build() {
        Ok(chains) => {
            let trusted = certificates.into_iter().collect();
            let verifier = Arc::new(TrustedCertificates { chains, trusted });
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        }
        Err(_) => builder.with_root_certificates(roots).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Accepts the certificates that a trusted one has signed, and the trusted ones themselves.
///
/// `openssl req -x509` makes a certificate that may sign others, and webpki does not accept such a
/// certificate from a server (`CaUsedAsEndEntity`), even if it is trusted. Clients that use OpenSSL, such as
/// curl, accept it.
#[derive(Debug)]
struct TrustedCertificates {
    chains: Arc<WebPkiServerVerifier>,
    trusted: HashSet<CertificateDer<'static>>,
}

impl ServerCertVerifier for TrustedCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // webpki checks the dates before it returns this error.
            Err(error) if is_ca(&error) && self.trusted.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether a certificate was refused only because it may sign others.
fn is_ca(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    let cause = other.0.downcast_ref::<webpki::Error>();
    matches!(cause, Some(webpki::Error::CaUsedAsEndEntity))
}

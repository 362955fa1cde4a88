//! The cryptography provider of TLS.

/// Installs ring as the cryptography provider of rustls for this process. It must be called before an
/// HTTPS client is created.
pub fn install_crypto_provider() {
    // This fails if a provider is installed already, and then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

//! The cryptography behind TLS.

/// Chooses ring as the provider of rustls for this process, which every HTTPS client needs before
/// it is made.
pub fn install_crypto_provider() {
    // Fails if a provider has been chosen before, and then that one is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

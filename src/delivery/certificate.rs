//! Why the certificate of a server was refused, and what to do about it.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// Why the certificate was refused and what to do, as text; `None` if the error has another reason.
pub(super) fn explain(error: &reqwest::Error) -> Option<String> {
    let cause = certificate_error(error)?;
    let advice = match cause {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no trusted authority has signed it; set SSL_CERT_FILE to a PEM file with it, or with the certificate of its authority"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it must have the host as its subjectAltName, such as DNS:files.example.com or IP:10.0.0.1; a common name alone is not enough"
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "renew it, or check the clock of this machine"
        }
        CertificateError::Other(_) => {
            "set SSL_CERT_FILE to a PEM file with exactly this certificate, or use one that is not an authority (CA:FALSE)"
        }
        _ => {
            return Some(format!(
                "the certificate of the server is refused ({cause})"
            ));
        }
    };
    Some(format!(
        "the certificate of the server is refused ({cause}): {advice}"
    ))
}

/// The certificate error among the causes of an error.
fn certificate_error(error: &reqwest::Error) -> Option<&CertificateError> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(rustls::Error::InvalidCertificate(reason)) = current.downcast_ref() {
            return Some(reason);
        }
        // The source of an `io::Error` is that of the error within it, not that error itself.
        cause = match current.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            Some(Some(inner)) => Some(inner),
            _ => current.source(),
        };
    }
    None
}

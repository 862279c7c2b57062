//! Certificates and keys: what the server shows, and whom the client trusts.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, Error as Refused, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use thiserror::Error;

/// A certificate or key that is of no use.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("no {what} in {}: expected PEM", path.display())]
    Missing { what: &'static str, path: PathBuf },
    #[error("the key in {} is not that of the certificate in {}", key.display(), cert.display())]
    Mismatch { key: PathBuf, cert: PathBuf },
    #[error("cannot use the certificate in {}", path.display())]
    Unusable { path: PathBuf, source: Refused },
}

/// What a server needs that shows this certificate.
pub(crate) fn server(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| TlsError::Missing {
        what: "private key",
        path: key.to_owned(),
    })?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the ciphers of TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|source| match source {
            Refused::InconsistentKeys(_) => TlsError::Mismatch {
                key: key.to_owned(),
                cert: cert.to_owned(),
            },
            source => TlsError::Unusable {
                path: cert.to_owned(),
                source,
            },
        })
}

/// What a client needs that trusts the certificates in `ca`, or without it the public issuers.
pub(crate) fn client(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|source| TlsError::Unusable {
                        path: path.to_owned(),
                        source,
                    })?;
            }
        }
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::Missing {
            what: "certificate",
            path: path.to_owned(),
        }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

//! A certificate of an engine, and the authority that issued it.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The files in a folder, in PEM.
pub(crate) struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Makes one for `localhost` and `127.0.0.1`.
    pub(crate) fn make(folder: &Path) -> Self {
        let made = Self {
            folder: folder.to_owned(),
        };
        let authority_key = KeyPair::generate().expect("a key can be made");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = "authority of the tests";
        authority.distinguished_name.push(DnType::CommonName, name);
        let issued = authority.self_signed(&authority_key);
        write(&made.authority(), &issued.expect("a key of its own").pem());

        let key = KeyPair::generate().expect("a key can be made");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = CertificateParams::new(names).expect("names of servers");
        let issued = server.signed_by(&key, &Issuer::new(authority, authority_key));
        write(&made.chain(), &issued.expect("a certificate").pem());
        write(&made.key(), &key.serialize_pem());
        made
    }

    /// What a client has to trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(crate) fn chain(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }
}

fn write(path: &Path, pem: &str) {
    fs::write(path, pem).expect("a file can be written");
}

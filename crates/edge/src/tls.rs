//! TLS on a listener: a certificate and its key in files, read again when they change, as those who renew
//! certificates replace them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{file} can't be read: {source}")]
    Unreadable { file: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    #[error("{certificate} and {key} do not fit: {source}")]
    Unfit { certificate: PathBuf, key: PathBuf, source: rustls::Error },
}

/// The certificate of a listener.
#[derive(Clone)]
pub struct Certificate(Arc<Held>);

struct Held {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    seen: Mutex<Stamps>,
}

/// What tells that a file is another: its size and when it was written.
type Stamps = [Option<(u64, SystemTime)>; 2];

impl Certificate {
    /// Reads both files: the certificate with those that vouch for it, and its key.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let seen = Mutex::new(stamps(&certificate, &key));
        let current = ArcSwap::from_pointee(read(&certificate, &key, &provider)?);
        Ok(Self(Arc::new(Held { certificate, key, provider, current, seen })))
    }

    /// Looks at the files now and then, for ever. What can't be used is told, and the old one stays.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let this = self.clone();
            match tokio::task::spawn_blocking(move || this.reload()).await {
                Ok(Ok(true)) => {
                    tracing::info!(file = %self.0.certificate.display(), "the certificate was replaced")
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::error!(%error, "the old certificate stays"),
                Err(error) => tracing::error!(%error, "the certificate can't be looked at"),
            }
        }
    }

    /// Reads the files again if they are others than before; whether they were.
    fn reload(&self) -> Result<bool, CertificateError> {
        let Held { certificate, key, provider, current, seen } = &*self.0;
        let stamps = stamps(certificate, key);
        if std::mem::replace(&mut *seen.lock(), stamps) == stamps {
            return Ok(false);
        }
        current.store(Arc::new(read(certificate, key, provider)?));
        Ok(true)
    }

    /// What agrees on TLS, with HTTP/2 and HTTP/1.1 to choose from.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider));
        let builder = builder
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|_| unreachable!("the provider has suites for TLS 1.2 and 1.3"));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::new(self.clone());
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.0.certificate).finish()
    }
}

/// All certificates of a PEM file.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable { file: file.to_owned(), source };
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(CertificateError::Empty(file.to_owned()));
    }
    Ok(certificates)
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, CertificateError> {
    let chain = read_certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| CertificateError::Unreadable { file: key.to_owned(), source })?;
    CertifiedKey::from_der(chain, private, provider).map_err(|source| CertificateError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

fn stamps(certificate: &Path, key: &Path) -> Stamps {
    [certificate, key].map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    })
}

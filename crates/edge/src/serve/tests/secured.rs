//! TLS between a test and its server. Neither looks at the certificate, so there is none.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::*;

/// What PKCS #8 writes in front of the 32 bytes of an Ed25519 key (RFC 8410, 7).
const BEFORE_KEY: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

pub(super) fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(default_provider());
    let encoded = [&BEFORE_KEY[..], &[7; 32]].concat();
    let key = provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(encoded).into());
    let key = CertifiedKey::new(vec![CertificateDer::from_slice(&[0])], key.expect("a key"));
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)))))
}

pub(super) async fn connect(stream: DuplexStream) -> TlsStream<DuplexStream> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let name = ServerName::try_from("a").expect("a name");
    connector.connect(name, stream).await.expect("TLS is agreed on")
}

/// Believes everybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

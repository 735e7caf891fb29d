//! A certificate authority of one control plane, and the keys that service account tokens are signed with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// Where the API server is reached: on this machine, and from a VM with user-mode networking.
const NAMES: [&str; 3] = ["127.0.0.1", "10.0.2.2", "localhost"];

/// Files of a certificate and its key, PEM.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The authority; what it signs is written into its directory.
pub(super) struct Authority {
    dir: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn create(dir: &Path) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "evictd-tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let authority = Self { dir: dir.to_owned(), issuer };
        write(&authority.certificate(), &authority.issuer.pem())?;
        Ok(authority)
    }

    /// Its own certificate's file.
    pub(super) fn certificate(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// What the API server shows its clients.
    pub(super) fn server(&self) -> Result<Pair> {
        let names = NAMES.map(str::to_owned);
        let params = CertificateParams::new(names)?;
        self.sign("apiserver", params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// What the API server shows clients that call it `name`: valid in those years only.
    pub(super) fn server_valid(&self, name: &str, years: (i32, i32)) -> Result<Pair> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        self.sign(name, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// What a client of that user name and group shows the API server.
    pub(super) fn client(&self, user: &str, group: &str) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        self.sign(user, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        name: &str,
        mut params: CertificateParams,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<Pair> {
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        let pair = Pair {
            certificate: self.dir.join(format!("{name}.crt")),
            key: self.dir.join(format!("{name}.key")),
        };
        write(&pair.certificate, &signed.pem())?;
        write(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }

    /// A key of its own for the tokens of service accounts: public half, private half.
    pub(super) fn token_keys(&self) -> Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let (public, private) = (self.dir.join("tokens.pub"), token_key(&self.dir));
        write(&public, &key.public_key_pem())?;
        write(&private, &key.serialize_pem())?;
        Ok((public, private))
    }
}

/// The private key that tokens are signed with.
pub(super) fn token_key(dir: &Path) -> PathBuf {
    dir.join("tokens.key")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

//! Which server the command line speaks to, and with which service key: `--url`, then `CLAVIGER_URL` and
//! `CLAVIGER_KEY`, then what `claviger login` kept. A key is never an argument.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use claviger_client::Client;
use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::secret::Plaintext;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commands::Outcome;
use crate::environment;
use crate::terminal;

/// Where `serve` listens unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:7700";
/// More than any credential has; a longer input is a mistake.
const LONGEST_LINE: u64 = 4096;

/// A client of the server that was meant.
pub(super) fn client(url: Option<&str>) -> anyhow::Result<Client> {
    let kept = Kept::read()?;
    let variables = environment::ours();
    let chosen = url.or_else(|| variables.get("CLAVIGER_URL").map(String::as_str));
    let url = chosen.or(kept.as_ref().map(|kept| kept.url.as_str())).unwrap_or(DEFAULT_URL);
    let client = Client::new(url)?;
    match key(&variables)? {
        Some(key) => Ok(client.with_key(key.expose())?),
        None => match kept {
            // A key is sent to no other server than the one that it was given for.
            Some(kept) if Client::new(&kept.url)?.url() == client.url() => Ok(client.with_key(&kept.key)?),
            _ => bail!(
                "there is no service key for {}: run `claviger login --url {0}`, or set CLAVIGER_KEY",
                client.url()
            ),
        },
    }
}

fn key(variables: &BTreeMap<String, String>) -> anyhow::Result<Option<Plaintext>> {
    if let Some(key) = variables.get("CLAVIGER_KEY") {
        return Ok(Some(Plaintext::new(key.clone())));
    }
    let Some(file) = variables.get("CLAVIGER_KEY_FILE") else { return Ok(None) };
    let text = fs::read_to_string(file).with_context(|| format!("CLAVIGER_KEY_FILE: {file}"))?;
    Ok(Some(Plaintext::new(text.trim().to_owned())))
}

/// What `login` kept for the next commands.
#[derive(Deserialize)]
struct Kept {
    url: String,
    key: String,
}

impl Kept {
    fn file() -> Option<PathBuf> {
        Some(environment::user_configuration_folder()?.join("login.toml"))
    }

    fn read() -> anyhow::Result<Option<Self>> {
        let Some(file) = Self::file() else { return Ok(None) };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        };
        let mode = fs::metadata(&file)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("{} can be read by others, and holds a service key: `chmod 600 {0}`", file.display());
        }
        // The cause would quote the line, and the line may be the key.
        let kept = toml::from_str(&text).ok();
        kept.map(Some).with_context(|| format!("{} is not what `claviger login` wrote", file.display()))
    }

    /// Writes it aside with mode 0600, then puts it in its place.
    fn write(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let aside = file.with_extension("new");
        let _ = fs::remove_file(&aside);
        let mut out = File::options().write(true).create_new(true).mode(0o600).open(&aside)?;
        writeln!(out, "url = {}\nkey = {}", toml_text(&self.url), toml_text(&self.key))?;
        out.sync_all()?;
        fs::rename(aside, file)
    }
}

fn toml_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// `claviger login`: tries the key, keeps it, says whose it is.
pub(crate) async fn login(url: Option<String>, json: bool) -> anyhow::Result<Outcome> {
    match sign_in(url, json).await {
        Ok(()) => Ok(Outcome::Done),
        Err(error) => super::run::refused(error, json),
    }
}

async fn sign_in(url: Option<String>, as_json: bool) -> anyhow::Result<()> {
    let variables = environment::ours();
    let url =
        url.or_else(|| variables.get("CLAVIGER_URL").cloned()).unwrap_or_else(|| DEFAULT_URL.to_owned());
    let key = match key(&variables)? {
        Some(key) => key,
        None => ask_for_key(&url)?,
    };
    let kind = WellFormed::parse(key.expose()).map(|parsed| parsed.kind());
    if kind != Some(CredentialKind::Service) {
        bail!("this is no service key: one begins with clv_svc_, and a typing error in it is noticed");
    }
    let client = Client::new(&url)?.with_key(key.expose())?;
    let who = who_am_i(&client).await?;
    let file = Kept::file().context("neither XDG_CONFIG_HOME nor HOME says where to keep the key")?;
    let kept = Kept { url: client.url().to_owned(), key: key.expose().to_owned() };
    kept.write(&file).with_context(|| file.display().to_string())?;
    if as_json {
        let shown = json!({ "url": client.url(), "service_key": who, "file": file });
        terminal::print_line(&serde_json::to_string_pretty(&shown)?)?;
    } else {
        terminal::print_line(&format!("Signed in to {} as {}.", client.url(), described(&who)))?;
        terminal::print_line(&format!("Address and key are kept in {} (mode 0600).", file.display()))?;
    }
    Ok(())
}

/// Whose key this is, as far as it may know.
async fn who_am_i(client: &Client) -> Result<Value, claviger_client::Error> {
    Ok(client.get("/v1/service-keys/current").send::<Value>().await?.body)
}

fn described(who: &Value) -> String {
    let text = |pointer: &str| who.pointer(pointer).and_then(Value::as_str).map(terminal::plain);
    let name = text("/name").unwrap_or_else(|| "a service key".to_owned());
    let groups = who.pointer("/permission_groups").and_then(Value::as_array);
    let names = groups.into_iter().flatten().filter_map(|group| group["name"].as_str()).map(terminal::plain);
    format!(
        "`{name}` ({}), permission groups: {}",
        text("/masked").unwrap_or_default(),
        names.collect::<Vec<_>>().join(", ")
    )
}

fn ask_for_key(url: &str) -> anyhow::Result<Plaintext> {
    secret_line(&format!("Service key for {url}, then Enter (it is not shown):"))
        .context("no service key was given")
}

/// The first line of standard input, which holds a secret; a person is asked for it.
pub(crate) fn secret_line(question: &str) -> anyhow::Result<Plaintext> {
    let _quiet = if io::stdin().is_terminal() {
        terminal::print_error(question);
        Some(Quiet::begin()?)
    } else {
        None
    };
    secret_lines()?.into_iter().next().context("standard input is empty")
}

/// The first two lines of standard input, which hold secrets.
pub(super) fn secret_lines() -> anyhow::Result<Vec<Plaintext>> {
    let mut input = io::stdin().lock();
    let mut lines = Vec::new();
    let interactive = io::stdin().is_terminal();
    while lines.len() < 2 {
        let mut line = String::new();
        let count = (&mut input).take(LONGEST_LINE).read_line(&mut line)?;
        if count == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(Plaintext::new(line.trim().to_owned()));
        if interactive && lines.len() == 1 {
            break;
        }
    }
    Ok(lines)
}

/// The terminal does not show what is typed while this lives.
struct Quiet(rustix::termios::Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes -= rustix::termios::LocalModes::ECHO;
        rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to put back.
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}

//! `apis openapi`: an API's OpenAPI document, which comes and goes as a file.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command};
use claviger_client::Client;
use claviger_client::reqwest::Method;
use serde_json::Value;

use super::request::{self, Asks};
use super::verb::{Shows, Verb, column, rows};
use super::{place_arguments, show, verb_command};
use crate::terminal;

/// Where documents are.
const PATH: &str = "/v1/apis/{id}/openapi";

const VERSIONS: Verb = rows(
    "versions",
    "List the versions that the document had, the newest first",
    "/v1/apis/{id}/openapi/versions",
    &[
        column("version", "/version"),
        column("openapi", "/openapi"),
        column("title", "/title"),
        column("operations", "/operations"),
        column("bytes", "/size"),
        column("source", "/source"),
        column("created", "/created_at"),
        column("by", "/created_by/name"),
    ],
);

const OPERATIONS: Verb = rows(
    "operations",
    "List the operations that the document describes",
    "/v1/apis/{id}/openapi/operations",
    &[
        column("method", "/method"),
        column("path", "/path"),
        column("summary", "/summary"),
        column("deprecated", "/deprecated"),
    ],
);

/// A document on its way from or to the server.
#[derive(Debug)]
pub(super) enum Document {
    Get {
        path: String,
        version: Option<String>,
        output: Option<PathBuf>,
    },
    Put {
        path: String,
        /// `-`: standard input.
        file: PathBuf,
        format: Option<String>,
        idempotency_key: Option<String>,
        if_match: Option<String>,
    },
}

/// `apis openapi`, with what is below it.
pub(super) fn command() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let id = || Arg::new("id").required(true).help("The id, or a slug where there is one");
    let get =
        place_arguments(Command::new("get").about("Print the document, or keep it in a file")).arg(id());
    let put = place_arguments(Command::new("put").about("Make a file the API's document")).arg(id());
    Command::new("openapi")
        .about("The OpenAPI document of an API")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(get.args([
            text("version", "NUMBER", "An older version; otherwise the newest"),
            text("output", "FILE", "Write it to this file"),
        ]))
        .subcommand(
            put.arg(Arg::new("file").required(true).help("The file; `-`: standard input")).args([
                text(
                    "format",
                    "json|yaml",
                    "Its notation; otherwise as the file's name ends, or as it begins",
                )
                .value_parser(["json", "yaml"]),
                text("idempotency-key", "KEY", "A repetition under the same key never acts twice"),
                text("if-match", "ETAG", "Only if it is still this version"),
            ]),
        )
        .subcommand(verb_command(&VERSIONS))
        .subcommand(verb_command(&OPERATIONS))
}

/// What was asked of `apis openapi`.
pub(super) fn request(matches: &ArgMatches) -> Result<Option<(Asks, &ArgMatches)>, String> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(None) };
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let asks = match name {
        "get" => Asks::Document(Document::Get {
            path: request::path(PATH, matches)?,
            version: text("version"),
            output: text("output").map(PathBuf::from),
        }),
        "put" => Asks::Document(Document::Put {
            path: request::path(PATH, matches)?,
            file: text("file").map(PathBuf::from).unwrap_or_default(),
            format: text("format"),
            idempotency_key: text("idempotency-key"),
            if_match: text("if-match"),
        }),
        "versions" => Asks::Verb(Box::new(request::of_verb(&VERSIONS, matches)?)),
        "operations" => Asks::Verb(Box::new(request::of_verb(&OPERATIONS, matches)?)),
        _ => return Ok(None),
    };
    Ok(Some((asks, matches)))
}

impl Document {
    pub(super) async fn run(self, client: &Client, json: bool) -> anyhow::Result<()> {
        match self {
            Self::Get { path, version, output } => {
                let query: Vec<_> = version.map(|version| ("version", version)).into_iter().collect();
                let response = client.get(&path).query(&query).send_raw().await?;
                let bytes = response.bytes().await.context("the document broke off before its end")?;
                write(&bytes, output)
            }
            Self::Put { path, file, format, idempotency_key, if_match } => {
                let bytes = read(&file)?;
                let media_type =
                    format!("application/{}", format.as_deref().unwrap_or_else(|| guessed(&file, &bytes)));
                let mut call = client.call(Method::PUT, &path).raw_body(&media_type, bytes);
                if let Some(key) = &idempotency_key {
                    call = call.idempotency_key(key);
                }
                if let Some(etag) = &if_match {
                    call = call.if_match(etag);
                }
                let answer = call.send::<Value>().await?;
                show::answer(&answer.body, Shows::Object, json)
            }
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file).with_context(|| file.display().to_string());
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// To a file or a pipe byte for byte; to a terminal without what acts on it.
fn write(bytes: &[u8], output: Option<PathBuf>) -> anyhow::Result<()> {
    if let Some(file) = output {
        return std::fs::write(&file, bytes).with_context(|| file.display().to_string());
    }
    let text = String::from_utf8_lossy(bytes);
    if !io::stdout().is_terminal() {
        return Ok(terminal::print(&text)?);
    }
    let lines: Vec<String> = text.lines().map(terminal::plain).collect();
    Ok(terminal::print_line(&lines.join("\n"))?)
}

/// The notation by the file's name, or else by how it begins.
fn guessed(file: &Path, bytes: &[u8]) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some(ending) if ending.eq_ignore_ascii_case("json") => "json",
        Some(ending) if ["yaml", "yml"].iter().any(|yaml| ending.eq_ignore_ascii_case(yaml)) => "yaml",
        _ => match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => "json",
            _ => "yaml",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notation_is_guessed_from_name_or_text() {
        for (file, text, notation) in [
            ("a.json", "openapi: 3.1.0", "json"),
            ("a.YML", "{}", "yaml"),
            ("a.yaml", "{}", "yaml"),
            ("-", " \n{\"openapi\"", "json"),
            ("-", "openapi: 3.1.0", "yaml"),
            ("a.txt", "", "yaml"),
        ] {
            assert_eq!(guessed(Path::new(file), text.as_bytes()), notation, "{file} {text}");
        }
    }
}

//! What a command line means: a command with everything it needs to know, read and checked.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, FromArgMatches as _};

use super::typed::{
    ConfigCommand, DataFlags, GatewayCommand, KeeperCommand, Page, ServeFlags, Shell, Typed, TypedCommand,
};
use crate::configuration::{Explained, Sources, Unreadable};
use crate::environment;
use crate::rest::{self, Request};

/// A command, ready to be carried out.
#[derive(Debug)]
pub(crate) enum Invocation {
    Quickstart { settings: Box<Explained>, exit: bool },
    Serve { settings: Box<Explained> },
    Gateway { settings: Box<Explained> },
    GatewayEnroll { name: String, url: Option<String>, json: bool },
    GatewayJoin { settings: Box<Explained>, control_url: String, json: bool },
    Init { settings: Box<Explained>, owner: String, organization: String, json: bool },
    OwnerKey { settings: Box<Explained>, json: bool },
    Keeper { arguments: Vec<OsString> },
    VerifyLog { settings: Box<Explained>, state: bool, json: bool },
    Doctor { settings: Box<Explained>, json: bool },
    ConfigCheck { settings: Box<Explained>, json: bool },
    Completions(Shell),
    Docs(Page),
    Login { url: Option<String>, json: bool },
    Rest(Box<Request>),
}

/// A command line that means nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misuse {
    /// It does not fit the grammar, or asked for help: clap says it best.
    #[error(transparent)]
    Grammar(#[from] clap::Error),
    /// The configuration can't be read.
    #[error("the configuration can't be read:\n{0}")]
    Configuration(#[from] Unreadable),
    /// It fits the grammar, but not the world.
    #[error("{0}")]
    Other(String),
}

impl Invocation {
    /// Understands the program's own command line.
    pub(crate) fn from_command_line() -> Result<Self, Misuse> {
        let matches = super::command().try_get_matches()?;
        Self::from_matches(&matches)
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self, Misuse> {
        if let Some(request) = rest::request(matches).map_err(Misuse::Other)? {
            return Ok(Self::Rest(Box::new(request)));
        }
        Self::from_typed(Typed::from_arg_matches(matches)?.command)
    }

    fn from_typed(command: TypedCommand) -> Result<Self, Misuse> {
        Ok(match command {
            TypedCommand::Quickstart { settings, exit } => {
                Self::Quickstart { settings: settings.read()?, exit }
            }
            TypedCommand::Serve { settings } => Self::Serve { settings: settings.read()? },
            TypedCommand::Gateway { command: None, settings } => Self::Gateway { settings: settings.read()? },
            TypedCommand::Gateway { command: Some(GatewayCommand::Enroll { name, url, json }), .. } => {
                Self::GatewayEnroll { name, url, json }
            }
            TypedCommand::Gateway {
                command: Some(GatewayCommand::Join { data, control_url, json }), ..
            } => Self::GatewayJoin { settings: data.read()?, control_url, json },
            TypedCommand::Init { data, owner, organization, json } => {
                Self::Init { settings: data.read()?, owner, organization, json }
            }
            TypedCommand::OwnerKey { data, json } => Self::OwnerKey { settings: data.read()?, json },
            TypedCommand::Keeper(KeeperCommand::Run { arguments }) => Self::Keeper { arguments },
            TypedCommand::VerifyLog { data, state, json } => {
                Self::VerifyLog { settings: data.read()?, state, json }
            }
            TypedCommand::Doctor { settings, json } => Self::Doctor { settings: settings.read()?, json },
            TypedCommand::Config(ConfigCommand::Check { settings, json }) => {
                Self::ConfigCheck { settings: settings.read()?, json }
            }
            TypedCommand::Completions { shell } => Self::Completions(shell),
            TypedCommand::Docs { page } => Self::Docs(page),
            TypedCommand::Login { url, json } => Self::Login { url, json },
        })
    }
}

impl DataFlags {
    fn read(self) -> Result<Box<Explained>, Unreadable> {
        self.read_with([])
    }

    fn read_with<const N: usize>(
        self,
        others: [(&'static str, Option<String>); N],
    ) -> Result<Box<Explained>, Unreadable> {
        let own = [("data_dir", self.data_dir), ("database_url", self.database_url)];
        let given = own.into_iter().chain(others);
        let flags = given.filter_map(|(setting, value)| Some((setting, value?))).collect();
        let file: Option<PathBuf> = self.config;
        Sources { file, variables: environment::ours(), flags }.read().map(Box::new)
    }
}

impl ServeFlags {
    fn read(self) -> Result<Box<Explained>, Unreadable> {
        self.data.read_with([
            ("listen", self.listen),
            ("gateway_listen", self.gateway_listen),
            ("ext_authz_listen", self.ext_authz_listen),
            ("metrics_listen", self.metrics_listen),
            ("public_url", self.public_url),
        ])
    }
}

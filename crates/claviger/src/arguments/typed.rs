//! What can be typed: the program's own commands by their types, and the REST API's nouns by their table.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::rest;

/// Keeps every key of a company's APIs: issues them, seals them, rotates and revokes them on schedule, and
/// decides on every call whether the key presented opens the door.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, max_term_width = 100)]
pub(super) struct Typed {
    #[command(subcommand)]
    pub(super) command: TypedCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TypedCommand {
    /// The tour as one command: a server, a sample API and its key, a good call and a bad one
    Quickstart {
        #[command(flatten)]
        settings: ServeFlags,
        /// End after the two calls; the exit code says whether both were answered as they should be
        #[arg(long)]
        exit: bool,
    },
    /// Everything in one process, plus the keeper
    Serve {
        #[command(flatten)]
        settings: ServeFlags,
    },
    /// A data node: it only decides, and goes on while database and control plane are down
    #[command(args_conflicts_with_subcommands = true)]
    Gateway {
        #[command(subcommand)]
        command: Option<GatewayCommand>,
        #[command(flatten)]
        settings: ServeFlags,
    },
    /// Make the first Organization, its owner and a service key; needs no running server
    Init {
        #[command(flatten)]
        data: DataFlags,
        /// The owner's mail address
        #[arg(long, value_name = "EMAIL")]
        owner: String,
        /// The Organization's name
        #[arg(long, value_name = "NAME", default_value = "Default")]
        organization: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new service key with all permissions for the first owner; with the server stopped
    OwnerKey {
        #[command(flatten)]
        data: DataFlags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The process that alone can open what is sealed
    #[command(subcommand, hide = true)]
    Keeper(KeeperCommand),
    /// Check the log's hash chain; say the first position that does not fit
    VerifyLog {
        #[command(flatten)]
        data: DataFlags,
        /// Also replay the log beside the tables, and name the first row that differs
        #[arg(long)]
        state: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what is wrong with the set-up, and how to mend it
    Doctor {
        #[command(flatten)]
        settings: ServeFlags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completions of a shell
    Completions { shell: Shell },
    /// Keep a server's address and a service key, read from standard input, for the commands below
    Login {
        /// The server's address; otherwise CLAVIGER_URL, or http://127.0.0.1:7700
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a page of the documentation that is made from the program itself
    #[command(hide = true)]
    Docs { page: Page },
}

#[derive(Debug, Subcommand)]
pub(super) enum GatewayCommand {
    /// Make the one-time token by which a data node enrols
    Enroll {
        /// What the node is to be called
        #[arg(long, value_name = "NAME")]
        name: String,
        /// The server's address; otherwise CLAVIGER_URL, or that of `claviger login`
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Enrol this data folder, by the token on standard input
    Join {
        #[command(flatten)]
        data: DataFlags,
        /// The address of a server of the control plane
        #[arg(long, value_name = "URL")]
        control_url: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeeperCommand {
    /// Started by `serve`, over a socket that only it hands on
    Run {
        /// Its own arguments, which it reads itself
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Explain every value, where it came from, and what contradicts
    Check {
        #[command(flatten)]
        settings: ServeFlags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The shells that completions are made for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The pages that are made from the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Page {
    Configuration,
    Errors,
    Decisions,
    Permissions,
    Events,
    Commands,
}

/// The flags of every command that opens the data.
#[derive(Debug, Args)]
pub(super) struct DataFlags {
    /// The configuration file; otherwise CLAVIGER_CONFIG, or claviger.toml if there is one
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The folder of the embedded database and the keeper's files
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: Option<String>,
    /// sqlite:FILE or postgres://…; one with a password is better kept in CLAVIGER_DATABASE_URL_FILE
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<String>,
}

/// The flags of a server.
#[derive(Debug, Args)]
pub(super) struct ServeFlags {
    #[command(flatten)]
    pub(super) data: DataFlags,
    /// Console, REST API and forward-auth
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// The built-in gateway
    #[arg(long, value_name = "ADDRESS")]
    pub(super) gateway_listen: Option<String>,
    /// Envoy's external authorization
    #[arg(long, value_name = "ADDRESS")]
    pub(super) ext_authz_listen: Option<String>,
    /// Prometheus metrics
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<String>,
    /// How people and programs reach the server from outside
    #[arg(long, value_name = "URL")]
    pub(super) public_url: Option<String>,
}

/// The whole command line: for reading it, for help, for completions.
pub(crate) fn command() -> clap::Command {
    rest::commands(Typed::command())
}

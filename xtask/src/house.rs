//! The house as `tidy` sees it: every source file parsed once, every package and what it leans on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use syn::spanned::Spanned;

use crate::shell;

/// Everything that the checks read.
pub(crate) struct House {
    pub(crate) root: PathBuf,
    pub(crate) sources: Vec<Source>,
    pub(crate) packages: Packages,
}

/// One `.rs` file of ours.
pub(crate) struct Source {
    /// From the workspace's folder, with `/`.
    pub(crate) path: String,
    /// The folder of its package: `store`, `xtask`.
    pub(crate) package: String,
    pub(crate) role: Role,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Production,
    /// Under `tests/` or `benches/`, or a module that only tests compile.
    Test,
}

impl House {
    pub(crate) fn read() -> Result<Self> {
        let root = shell::root();
        let sources = read_sources(&root)?;
        let packages = Packages::read()?;
        Ok(Self { root, sources, packages })
    }

    /// A file of the workspace, as text.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.root.join(path)).with_context(|| format!("read {path}"))
    }

    pub(crate) fn production(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.role == Role::Production)
    }

    /// Every file that people write, as paths from the workspace's folder.
    pub(crate) fn written_files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        walk(&self.root, &mut |path| files.push(relative(&self.root, path)))?;
        files.sort();
        Ok(files)
    }
}

/// Is this item compiled for tests alone?
pub(crate) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

/// The attributes of an item, whatever it is.
pub(crate) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// How many lines an item takes, its attributes and comments included.
pub(crate) fn lines(item: &impl Spanned) -> usize {
    let span = item.span();
    span.end().line - span.start().line + 1
}

fn read_sources(root: &Path) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    walk(root, &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path.to_owned());
        }
    })?;
    paths.sort();
    let mut sources = paths.iter().map(|path| read_source(root, path)).collect::<Result<Vec<_>>>()?;
    let for_tests: BTreeSet<String> = sources.iter().flat_map(modules_for_tests).collect();
    for source in &mut sources {
        let inside = |module: &String| source.path.starts_with(&format!("{module}/"));
        if for_tests.iter().any(|module| source.path == format!("{module}.rs") || inside(module)) {
            source.role = Role::Test;
        }
    }
    Ok(sources)
}

fn read_source(root: &Path, path: &Path) -> Result<Source> {
    let shown = relative(root, path);
    let text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
    let syntax = syn::parse_file(&text).with_context(|| format!("parse {shown}"))?;
    let mut parts = shown.split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let package = if first == "crates" { second } else { first };
    let role = match shown.split('/').any(|part| part == "tests" || part == "benches" || part == "examples") {
        true => Role::Test,
        false => Role::Production,
    };
    Ok(Source { package: package.to_owned(), path: shown, role, text, syntax })
}

/// The modules in files of their own that only tests compile, as paths without `.rs`.
fn modules_for_tests(source: &Source) -> Vec<String> {
    let stem = source.path.trim_end_matches(".rs");
    let owns_folder = ["lib", "main", "mod"].iter().any(|name| stem.ends_with(&format!("/{name}")));
    let folder = if owns_folder { stem.rsplit_once('/').map_or("", |(folder, _)| folder) } else { stem };
    let modules = source.syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_for_tests(&module.attrs) => Some(module),
        _ => None,
    });
    modules.map(|module| format!("{folder}/{}", module.ident)).collect()
}

/// Calls back for every file of ours: not what was built, nor what is hidden but for `.ci`.
fn walk(folder: &Path, found: &mut impl FnMut(&Path)) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let built = name == "target" || name == "claviger-data";
        if built || (name.starts_with('.') && name != ".ci") {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => walk(&entry.path(), found)?,
            false => found(&entry.path()),
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The packages of the workspace and all that they lean on, as cargo resolved them.
pub(crate) struct Packages {
    /// Ours, by package name.
    pub(crate) ours: BTreeMap<String, Package>,
    /// By package id: its name, and the ids that it leans on outside of tests.
    graph: BTreeMap<String, (String, Vec<String>)>,
}

pub(crate) struct Package {
    id: String,
    /// `crates/store`, `xtask`.
    pub(crate) folder: String,
    /// The integration tests' names.
    pub(crate) tests: Vec<String>,
}

impl Packages {
    fn read() -> Result<Self> {
        let host = shell::read(&mut shell::command("rustc", &["-vV"]))?;
        let host =
            host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
        let arguments = ["metadata", "--locked", "--format-version", "1", "--filter-platform", host];
        let metadata: Metadata = serde_json::from_str(&shell::read(&mut shell::cargo(&arguments))?)?;
        let members: BTreeSet<&String> = metadata.workspace_members.iter().collect();
        let ours = metadata.packages.iter().filter(|package| members.contains(&package.id));
        let ours = ours.map(|package| (package.name.clone(), package.summary())).collect();
        let names: BTreeMap<&String, &String> = metadata.packages.iter().map(|p| (&p.id, &p.name)).collect();
        let graph = metadata.resolve.nodes.iter().map(|node| {
            let name = names.get(&node.id).map_or_else(String::new, |name| (*name).clone());
            (node.id.clone(), (name, node.leans_on()))
        });
        Ok(Self { ours, graph: graph.collect() })
    }

    /// The packages that one leans on itself.
    pub(crate) fn direct(&self, package: &Package) -> BTreeSet<&str> {
        let ids = self.graph.get(&package.id).map(|(_, ids)| ids.as_slice()).unwrap_or_default();
        ids.iter().map(|id| self.name(id)).collect()
    }

    /// A way from a package to another by name, if there is one: the names along it.
    pub(crate) fn way(&self, from: &Package, to: &str) -> Option<Vec<&str>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut ahead = vec![from.id.as_str()];
        while let Some(id) = ahead.pop() {
            if self.name(id) == to {
                let mut way: Vec<&str> = std::iter::successors(Some(id), |id| came_from.get(id).copied())
                    .map(|id| self.name(id))
                    .collect();
                way.reverse();
                return Some(way);
            }
            for next in self.graph.get(id).map(|(_, ids)| ids.as_slice()).unwrap_or_default() {
                if next != &from.id && !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, id);
                    ahead.push(next);
                }
            }
        }
        None
    }

    fn name(&self, id: &str) -> &str {
        self.graph.get(id).map(|(name, _)| name.as_str()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

impl MetadataPackage {
    fn summary(&self) -> Package {
        let folder = self.manifest_path.parent().unwrap_or(&self.manifest_path);
        let tests = self.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "test"));
        Package {
            id: self.id.clone(),
            folder: relative(&shell::root(), folder),
            tests: tests.map(|target| target.name.clone()).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

impl Node {
    fn leans_on(&self) -> Vec<String> {
        // `null` is an ordinary dependency; the others are "dev" and "build".
        let ordinary = self.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        ordinary.map(|dep| dep.pkg.clone()).collect()
    }
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

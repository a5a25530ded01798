//! What each command does: what it asks of the API, and how the answer is shown. A command line is judged as far as it can
//! be before any API is looked for.

mod audit;
mod authorize;
mod call;
mod capability;
mod credential;
mod desired;
mod enclosed;
mod every;
mod grant;
mod index;
mod integration;
mod integration_views;
mod issuer;
mod kubeconfig;
mod lock;
mod offered;
mod operation;
mod outdated;
mod pack;
mod place;
mod plugin;
mod plugin_views;
mod publish;
mod registries;
mod scripts;
mod serve;
mod shadow;
mod status;
mod trust;
mod vault;
mod watch;

use crate::{
    Ui,
    api::{Api, Connection, Request, Response},
    args::{Cassettes, Command, Globals},
    failure::Failure,
    output::{Tree, printable},
};

/// What every command has at hand.
pub(crate) struct Context {
    pub(crate) ui: Ui,
    connection: Connection,
    verbose: u8,
}

impl Context {
    pub(crate) fn new(globals: &Globals) -> Self {
        Self { ui: Ui::new(globals), connection: Connection::new(globals), verbose: globals.verbose }
    }

    /// Finds or opens the API.
    async fn open(&self) -> Result<Api, Failure> {
        self.open_with(&Cassettes::default()).await
    }

    async fn open_with(&self, cassettes: &Cassettes) -> Result<Api, Failure> {
        // A server logs for itself; a host in this process would be unheard.
        serve::log(self.verbose, None);
        let api = self.connection.open(cassettes).await?;
        self.ui.detail(&format!("using {}", api.name()));
        Ok(api)
    }

    /// Does something with the API, and closes it whatever came of it.
    async fn with<T>(&self, work: impl AsyncFnOnce(&Api) -> Result<T, Failure>) -> Result<T, Failure> {
        self.recording(&Cassettes::default(), work).await
    }

    /// The same, in a host that records or replays what there is to.
    async fn recording<T>(
        &self,
        cassettes: &Cassettes,
        work: impl AsyncFnOnce(&Api) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let api = self.open_with(cassettes).await?;
        let outcome = work(&api).await;
        api.close().await;
        outcome
    }

    /// Asks one thing and shows the answer.
    async fn show(&self, request: Request, table: impl FnOnce(&Tree) -> String) -> Result<(), Failure> {
        let Response { body, .. } = self.with(async |api| api.request(request).await).await?;
        self.ui.answer(&body, table)
    }

    /// Asks for a part of a list and shows it, and how to get the next.
    async fn show_page(&self, request: Request, table: impl FnOnce(&[Tree]) -> String) -> Result<(), Failure> {
        let Response { body, .. } = self.with(async |api| api.request(request).await).await?;
        let mut next = None;
        self.ui.answer(&body, |tree| {
            next = Some(tree.text("next").to_owned()).filter(|next| !next.is_empty());
            table(tree.list("items"))
        })?;
        if let Some(next) = next {
            self.ui.note(&format!("there is more: add --cursor {}", quoted(&next)));
        }
        Ok(())
    }
}

/// Runs a command.
pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(context, args).await,
        Command::Plugin(verb) => plugin::run(context, verb).await,
        Command::Registry(verb) => registries::run(context, verb).await,
        Command::Advisories(args) => registries::advisories(context, &args).await,
        Command::Trust(verb) => trust::run(context, verb).await,
        Command::Integration(verb) => integration::run(context, verb).await,
        Command::Capability(verb) => capability::run(context, verb).await,
        Command::Credential(verb) => credential::run(context, verb).await,
        Command::Grant(verb) => grant::run(context, verb).await,
        Command::Vault(verb) => vault::run(context, verb).await,
        Command::Operation(verb) => operation::run(context, verb).await,
        Command::Audit(verb) => audit::run(context, verb).await,
        Command::Call(args) => call::run(context, args).await,
        Command::Watch(args) => watch::run(context, args).await,
        Command::Apply(args) => desired::apply(context, args).await,
        Command::Export(_) => desired::export(context).await,
        Command::Status => status::run(context).await,
        Command::Events(args) => watch::events(context, &args).await,
        Command::Completions(args) => scripts::completions(context, &args),
        Command::Man(args) => scripts::man(context, &args),
    }
}

/// A text as one word of a shell's command line.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:@/+=,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", printable(text).replace('\'', r"'\''"))
}

/// Reads JSON that is given in place, as `@file`, or as `-` for standard input.
fn json_argument(option: &str, text: &str) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    let content =
        match text.strip_prefix('@').or_else(|| text.strip_prefix('-').filter(|rest| rest.is_empty()).map(|_| "-")) {
            Some("-") => {
                read_stdin().map_err(|e| Failure::Usage(format!("{option}: standard input cannot be read: {e}")))?
            }
            Some(file) => std::fs::read(file)
                .map_err(|e| Failure::Usage(format!("{option}: the file `{file}` cannot be read: {e}")))?,
            None => text.as_bytes().to_vec(),
        };
    serde_json::from_slice(&content).map_err(|e| Failure::Usage(format!("{option} takes a JSON object: {e}")))
}

fn reads_stdin(text: Option<&str>) -> bool {
    matches!(text, Some("-" | "@-"))
}

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).map(|_| bytes)
}

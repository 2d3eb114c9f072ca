//! `factum completions`: what a shell needs to complete commands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{args::Cli, failure::Failure, output::Output};

/// Print the completions for a shell.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum completions bash > ~/.local/share/bash-completion/completions/factum
  factum completions zsh  > ~/.zfunc/_factum
  factum completions fish > ~/.config/fish/completions/factum.fish")]
pub(crate) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "factum", &mut script);
        Ok(output.bytes(&script)?)
    }
}

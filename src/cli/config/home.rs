//! Where the files of a user are.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use crate::{
    cli::failure::{Failure, Result},
    error::SystemError,
    identity::{
        files,
        permissions::{self, Others},
    },
};

/// The file with the settings, in the configuration directory.
const CONFIG_FILE: &str = "config.toml";

/// The directories of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    config: PathBuf,
    data: PathBuf,
    given: bool,
}

impl Home {
    /// Returns `given` for everything, or else the directories of the system.
    pub(crate) fn find(given: Option<PathBuf>) -> Result<Self> {
        if let Some(dir) = given {
            return Ok(Self { config: dir.clone(), data: dir, given: true });
        }
        let dirs = ProjectDirs::from("", "", "chinwag").ok_or_else(|| {
            Failure::Usage("this user has no home directory: use --home DIR".into())
        })?;
        Ok(Self { config: dirs.config_dir().into(), data: dirs.data_dir().into(), given: false })
    }

    /// Returns the directory of `--home`, if it is set.
    pub(crate) fn given(&self) -> Option<&Path> {
        self.given.then_some(&self.data)
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.config.join(CONFIG_FILE)
    }

    /// The directory with the user's key.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Returns true if a file of the data directory can be written.
    pub(crate) fn can_write(&self, file: &Path) -> bool {
        files::is_writable(&self.data) && files::is_writable(file)
    }

    /// Returns what cannot be written: the data directory, or else files in it.
    pub(crate) fn read_only(&self) -> Vec<PathBuf> {
        if !files::is_writable(&self.data) {
            return vec![self.data.clone()];
        }
        let files = [
            self.contact_book(),
            self.outbox(),
            self.direct_history(),
            self.inbox(),
            self.input_history(),
            self.seen(),
            self.joined_rooms(),
        ];
        files.into_iter().filter(|file| !files::is_writable(file)).collect()
    }

    /// Takes away what others can do with the directories and files, and returns those that were
    /// changed. Errors if they are another user's, or others can replace them.
    pub(crate) fn secure(&self) -> Result<Vec<PathBuf>> {
        self.each_exposed(permissions::mend)
            .map(|mended| mended.into_iter().map(|(path, _)| path).collect())
    }

    /// Returns what [`Self::secure`] would change, with what `chmod` would be told. Errors likewise.
    pub(crate) fn exposed(&self) -> Result<Vec<(PathBuf, &'static str)>> {
        self.each_exposed(permissions::is_exposed)
    }

    fn each_exposed(
        &self,
        examine: impl Fn(&Path, Others) -> Result<bool, SystemError>,
    ) -> Result<Vec<(PathBuf, &'static str)>> {
        permissions::check_way_to(&self.config)?;
        permissions::check_way_to(&self.data)?;
        let shown = [self.config.clone(), self.data.clone(), self.config_file()];
        let databases = [self.outbox(), self.direct_history(), self.inbox()];
        let journals = databases.iter().flat_map(|file| {
            ["-wal", "-shm", "-journal"].map(|suffix| {
                let mut name = file.clone().into_os_string();
                name.push(suffix);
                PathBuf::from(name)
            })
        });
        let private = [
            self.contact_book(),
            self.input_history(),
            self.seen(),
            self.joined_rooms(),
            self.log(),
        ];
        let private = private.into_iter().chain(databases.clone()).chain(journals);
        let guarded = shown.map(|path| (path, Others::Read)).into_iter();
        let mut exposed = Vec::new();
        for (path, others) in guarded.chain(private.map(|path| (path, Others::Nothing))) {
            if examine(&path, others)? {
                exposed.push((path, others.chmod()));
            }
        }
        exposed.dedup();
        Ok(exposed)
    }

    pub(crate) fn contact_book(&self) -> PathBuf {
        self.data.join("contacts.toml")
    }

    /// The queued messages for absent peers.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.data.join("outbox.db")
    }

    /// The direct messages of both directions.
    pub(crate) fn direct_history(&self) -> PathBuf {
        self.data.join("direct.db")
    }

    /// The accepted messages that were queued by their senders.
    pub(crate) fn inbox(&self) -> PathBuf {
        self.data.join("inbox.db")
    }

    /// The lines typed in earlier chats.
    pub(crate) fn input_history(&self) -> PathBuf {
        self.data.join("typed.txt")
    }

    /// The last position read in each room.
    pub(crate) fn seen(&self) -> PathBuf {
        self.data.join("seen.toml")
    }

    /// The rooms that chats have joined.
    pub(crate) fn joined_rooms(&self) -> PathBuf {
        self.data.join("rooms.toml")
    }

    /// The log of a chat on a terminal.
    pub(crate) fn log(&self) -> PathBuf {
        self.data.join("chinwag.log")
    }
}

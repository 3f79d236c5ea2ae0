//! Opening the state file: lock it, judge it, migrate it; set it aside when it is damaged.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema::{self, Found};
use super::words::{OpenError, Policy};

/// Smaller files are read through and checked at every start; larger ones when something was seen wrong with them.
const CHECKED_AT_EVERY_START: u64 = 16 << 20;

/// An operator's own write transaction makes us wait so long before it becomes an error.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Opened {
    pub(super) db: Connection,
    /// Held for as long as the queue writes.
    pub(super) lock: File,
    /// What the operator must hear about how it went.
    pub(super) warnings: Vec<String>,
}

enum Trouble {
    /// Its content is broken: a fresh file helps.
    Damaged(String),
    Fatal(OpenError),
}

pub(super) fn open(file: &Path, policy: &Policy) -> Result<Opened, OpenError> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|why| OpenError::Folder { folder: folder.into(), why })?;
    }
    let lock = lock(file)?;
    let mut warnings = Vec::new();
    if size(file) == Some(0) && size(&beside(file, "-wal")).unwrap_or(0) == 0 {
        warnings.push(format!("{} was an empty file: the queue starts empty", file.display()));
    }
    let trouble = match attempt(file, policy) {
        Ok(db) => {
            forget_suspicion(file);
            return Ok(Opened { db, lock, warnings });
        }
        Err(Trouble::Fatal(error)) => return Err(error),
        Err(Trouble::Damaged(why)) => why,
    };
    let aside = set_aside(file)?;
    warnings.push(format!(
        "{} is damaged ({trouble}): it was set aside as {} and the queue starts empty; what was pending is in there",
        file.display(),
        aside.display()
    ));
    match attempt(file, policy) {
        Ok(db) => {
            forget_suspicion(file);
            Ok(Opened { db, lock, warnings })
        }
        Err(Trouble::Fatal(error)) => Err(error),
        Err(Trouble::Damaged(why)) => Err(OpenError::Unusable { file: file.into(), why }),
    }
}

/// A second pair of eyes on the same file; the writer's connection stands already.
pub(super) fn reader(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(file, flags)?;
        db.busy_timeout(PATIENCE)?;
        db.pragma_update(None, "cache_size", -1000)?;
        Ok(db)
    };
    open().map_err(|error: rusqlite::Error| OpenError::Unusable { file: file.into(), why: error.to_string() })
}

/// Leaves word for the next start that the file must be read through, however large it is.
pub(super) fn suspect(file: &Path) {
    if let Err(error) = File::create(beside(file, ".suspect")) {
        tracing::warn!(file = %file.display(), %error, "the state file is damaged, and no mark could be left for the next start");
    }
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn forget_suspicion(file: &Path) {
    let mark = beside(file, ".suspect");
    if mark.exists()
        && let Err(error) = fs::remove_file(&mark)
    {
        tracing::warn!(mark = %mark.display(), %error, "cannot remove the mark of a damaged state file");
    }
}

fn lock(file: &Path) -> Result<File, OpenError> {
    let unusable = |why: std::io::Error| OpenError::Unusable { file: file.into(), why: why.to_string() };
    let path = beside(file, ".lock");
    let mut lock = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {
            // For the one who is refused: who holds it.
            lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).map_err(unusable)?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = lock.rewind().and_then(|()| (&lock).take(20).read_to_string(&mut holder));
            let holder = match read {
                Ok(_) if !holder.is_empty() => format!("process {holder}"),
                _ => "another process".to_owned(),
            };
            Err(OpenError::Locked { file: file.into(), holder })
        }
        Err(TryLockError::Error(why)) => Err(unusable(why)),
    }
}

fn attempt(file: &Path, policy: &Policy) -> Result<Connection, Trouble> {
    let judged = |error: rusqlite::Error| {
        let why = error.to_string();
        if is_damage(&error) {
            Trouble::Damaged(why)
        } else {
            Trouble::Fatal(OpenError::Unusable { file: file.into(), why })
        }
    };
    let (size_of_file, size_of_wal) = (size(file), size(&beside(file, "-wal")).unwrap_or(0));
    if size_of_file.unwrap_or(0) == 0 && size_of_wal > 0 {
        // SQLite would throw the log away, in silence.
        return Err(Trouble::Damaged("it is empty, but its write-ahead log is not".to_owned()));
    }
    let mut db = Connection::open(file).map_err(judged)?;
    db.busy_timeout(PATIENCE).map_err(judged)?;
    let version = match schema::look(&db).map_err(judged)? {
        Found::Foreign => return Err(Trouble::Fatal(OpenError::Foreign { file: file.into() })),
        Found::Ours(found) if found > schema::known() => {
            return Err(Trouble::Fatal(OpenError::Newer { file: file.into(), found, known: schema::known() }));
        }
        Found::Ours(version) => Some(version),
        Found::Empty => None,
    };
    let worth_checking =
        size_of_file.unwrap_or(0) + size_of_wal <= CHECKED_AT_EVERY_START || beside(file, ".suspect").exists();
    if version.is_some() && worth_checking {
        check(&db).map_err(|why| why.map_or_else(judged, Trouble::Damaged))?;
    }
    prepare(&mut db, version, policy).map_err(judged)?;
    probe(&db).map_err(|error| match error.sqlite_error_code() {
        // Our own version, and yet a table is not as we made it.
        Some(ErrorCode::Unknown) => Trouble::Damaged(error.to_string()),
        _ => judged(error),
    })?;
    Ok(db)
}

fn check(db: &Connection) -> Result<(), Result<String, rusqlite::Error>> {
    let verdict: rusqlite::Result<String> = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(Ok(verdict)),
        Err(rusqlite::Error::InvalidColumnType(..)) => Err(Ok("its check gave no answer".to_owned())),
        Err(error) => Err(Err(error)),
    }
}

fn prepare(db: &mut Connection, version: Option<i64>, policy: &Policy) -> rusqlite::Result<()> {
    if version.is_none() {
        // Before the log is on, or the file would never shrink.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        db.execute_batch("VACUUM")?;
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", false)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // After a burst the log is cut back to this.
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    db.set_prepared_statement_cache_capacity(64);
    schema::migrate(db, version.unwrap_or(0))?;
    if let Some(pages) = policy.max_pages {
        db.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Touches every table, so that a file without one is found now and not at the first commit.
fn probe(db: &Connection) -> rusqlite::Result<()> {
    for table in ["event", "delivery", "tally", "cursor", "incident", "seen", "room", "note", "silence"] {
        db.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {table})"), [], |_| Ok(()))?;
    }
    Ok(())
}

/// Moves the file and its log out of the way, under a name that `sqlite3` can still open.
fn set_aside(file: &Path) -> Result<PathBuf, OpenError> {
    let now = Timestamp::now();
    let unusable = |why: std::io::Error| OpenError::Unusable { file: file.into(), why: why.to_string() };
    let mut aside = beside(file, &format!(".damaged-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    if aside.exists() || beside(&aside, "-wal").exists() {
        aside = beside(file, &format!(".damaged-{}", now.strftime("%Y%m%dT%H%M%S.%fZ")));
    }
    for suffix in ["", "-wal"] {
        let from = beside(file, suffix);
        if from.exists() {
            fs::rename(&from, beside(&aside, suffix)).map_err(unusable)?;
        }
    }
    let index = beside(file, "-shm");
    if index.exists() {
        fs::remove_file(index).map_err(unusable)?;
    }
    Ok(aside)
}

fn size(file: &Path) -> Option<u64> {
    fs::metadata(file).ok().map(|metadata| metadata.len())
}

/// `tidings.db` and `-wal` make `tidings.db-wal`.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

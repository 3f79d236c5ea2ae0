//! Opens the state file: locks, checks and migrates it; sets it aside if it is damaged.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema::{self, Found};
use crate::store::error::OpenError;
use crate::store::types::Policy;

/// Smaller files are checked completely at every start; larger ones only after damage was seen.
const CHECKED_AT_EVERY_START: u64 = 16 << 20;

/// How long to wait for another program's write transaction before it is an error.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Opened {
    pub(super) db: Connection,
    /// Held as long as the store is open.
    pub(super) file_lock: File,
    /// For the operator.
    pub(super) warnings: Vec<String>,
}

enum AttemptError {
    /// The content is damaged: an empty file helps.
    Damaged(String),
    Fatal(OpenError),
}

pub(super) fn open(file: &Path, policy: &Policy) -> Result<Opened, OpenError> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|why| OpenError::Folder { folder: folder.into(), why })?;
    }
    let file_lock = lock(file)?;
    let mut warnings = Vec::new();
    if size(file) == Some(0) && size(&beside(file, "-wal")).unwrap_or(0) == 0 {
        warnings.push(format!("{} was an empty file: the store starts empty", file.display()));
    }
    let mut attempted = attempt(file, policy);
    if let Err(AttemptError::Damaged(why)) = &attempted {
        let aside = set_aside(file)?;
        warnings.push(format!(
            "{} is damaged ({why}): it was set aside as {}, and the store starts empty; pending deliveries are in that file",
            file.display(),
            aside.display()
        ));
        attempted = attempt(file, policy);
    }
    match attempted {
        Ok(db) => {
            remove_suspect_mark(file);
            Ok(Opened { db, file_lock, warnings })
        }
        Err(AttemptError::Fatal(error)) => Err(error),
        Err(AttemptError::Damaged(why)) => Err(unusable(file, &why)),
    }
}

pub(super) fn unusable(file: &Path, why: &impl ToString) -> OpenError {
    OpenError::Unusable { file: file.into(), why: why.to_string() }
}

/// A read-only connection to the file; the writer's connection is open already.
pub(super) fn reader(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(file, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.pragma_update(None, "cache_size", -1000)?;
        Ok(db)
    };
    open().map_err(|error: rusqlite::Error| unusable(file, &error))
}

/// Leaves a mark that makes the next start check the file completely, whatever its size.
pub(super) fn mark_as_suspect(file: &Path) {
    if let Err(error) = File::create(beside(file, ".suspect")) {
        tracing::warn!(file = %file.display(), %error, "the state file is damaged, and no mark can be left for the next start");
    }
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn remove_suspect_mark(file: &Path) {
    let mark = beside(file, ".suspect");
    if mark.exists()
        && let Err(error) = fs::remove_file(&mark)
    {
        tracing::warn!(mark = %mark.display(), %error, "cannot remove the mark of a damaged state file");
    }
}

fn lock(file: &Path) -> Result<File, OpenError> {
    let unusable = |why: std::io::Error| unusable(file, &why);
    let path = beside(file, ".lock");
    let mut lock = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {
            // Shown to the second process.
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

fn attempt(file: &Path, policy: &Policy) -> Result<Connection, AttemptError> {
    let classified = |error: rusqlite::Error| {
        if is_damage(&error) {
            AttemptError::Damaged(error.to_string())
        } else {
            AttemptError::Fatal(unusable(file, &error))
        }
    };
    let (size_of_file, size_of_wal) = (size(file), size(&beside(file, "-wal")).unwrap_or(0));
    if size_of_file.unwrap_or(0) == 0 && size_of_wal > 0 {
        // SQLite would silently delete the log.
        return Err(AttemptError::Damaged("it is empty, but its write-ahead log is not".to_owned()));
    }
    let mut db = Connection::open(file).map_err(classified)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(classified)?;
    let version = match schema::inspect(&db).map_err(classified)? {
        Found::Foreign => return Err(AttemptError::Fatal(OpenError::Foreign { file: file.into() })),
        Found::Ours(found) if found > schema::known() => {
            return Err(AttemptError::Fatal(OpenError::Newer { file: file.into(), found, known: schema::known() }));
        }
        Found::Ours(version) => Some(version),
        Found::Empty => None,
    };
    let check_completely =
        size_of_file.unwrap_or(0) + size_of_wal <= CHECKED_AT_EVERY_START || beside(file, ".suspect").exists();
    if version.is_some() && check_completely {
        check(&db).map_err(|why| why.map_or_else(classified, AttemptError::Damaged))?;
    }
    prepare(&mut db, version, policy).map_err(classified)?;
    probe(&db).map_err(|error| match error.sqlite_error_code() {
        // The version is known, but a table differs from its schema.
        Some(ErrorCode::Unknown) => AttemptError::Damaged(error.to_string()),
        _ => classified(error),
    })?;
    Ok(db)
}

fn check(db: &Connection) -> Result<(), Result<String, rusqlite::Error>> {
    let verdict: rusqlite::Result<String> = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(Ok(verdict)),
        Err(rusqlite::Error::InvalidColumnType(..)) => Err(Ok("its check returned nothing".to_owned())),
        Err(error) => Err(Err(error)),
    }
}

fn prepare(db: &mut Connection, version: Option<i64>, policy: &Policy) -> rusqlite::Result<()> {
    if version.is_none() {
        // Before the log is enabled, or the file would never shrink.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        db.execute_batch("VACUUM")?;
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", false)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // After a burst the log is truncated to this.
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    db.set_prepared_statement_cache_capacity(64);
    schema::migrate(db, version.unwrap_or(0))?;
    if let Some(size) = policy.max_size {
        let page_size: u32 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = u32::try_from(size / u64::from(page_size.max(1))).unwrap_or(u32::MAX);
        db.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Reads every table, so that a missing one is found now and not at the first commit.
fn probe(db: &Connection) -> rusqlite::Result<()> {
    for table in ["event", "delivery", "tally", "cursor", "incident", "seen", "reserve", "note", "silence", "source_up"]
    {
        db.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {table})"), [], |_| Ok(()))?;
    }
    Ok(())
}

/// Renames the file and its log so that `sqlite3` can still open them.
fn set_aside(file: &Path) -> Result<PathBuf, OpenError> {
    let now = Timestamp::now();
    let unusable = |why: std::io::Error| unusable(file, &why);
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

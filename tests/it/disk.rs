//! A disk that can be filled.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs, unmounted when it is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, with a printed line, where this user may not mount; a limit for the size of files replaces it there.
    pub(crate) fn mount(folder: &Path, mib: u32) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        let size = format!("size={mib}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: this user may not mount a tmpfs");
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    /// Writes a file until the disk is full.
    pub(crate) fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("a file");
        for size in [1 << 20, 1 << 12] {
            let chunk = vec![0; size];
            while ballast.write_all(&chunk).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).expect("removed");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

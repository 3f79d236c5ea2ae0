use super::*;

/// A small file with its log, as a kill leaves them.
async fn crashed(folder: &TempDir) -> (Vec<u8>, Vec<u8>) {
    let path = folder.path().join("original.db");
    let store = opened(&path);
    store.commit((0..12).map(|n| to(&["ops"], given(&n.to_string()))).collect()).await.unwrap();
    store.close().await.unwrap();
    let store = opened(&path);
    store.commit((12..24).map(|n| to(&["ops", "room"], event(n))).collect()).await.unwrap();
    let note = Note { name: "thread:web".to_owned(), value: Some("ts".to_owned()), until: Timestamp::MAX };
    store.settle_all(vec![DeliveryId(2)], dead("no"), vec![("ops".into(), note)]).await.unwrap();
    store.add_silence(vec!["type=x".to_owned()], "deploy".to_owned(), Timestamp::MAX).await.unwrap();
    store.flush().await.unwrap();
    let read = |suffix| std::fs::read(beside(&path, suffix)).unwrap();
    (read(""), read("-wal"))
}

/// Opens and uses what is left. Any damage must end in an error or a warning, in time.
async fn survives(folder: &TempDir, main: &[u8], log: &[u8]) {
    let path = folder.path().join("broken.db");
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("broken.db") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    std::fs::write(&path, main).unwrap();
    std::fs::write(beside(&path, "-wal"), log).unwrap();
    let Ok(store) = Store::open(&path, Policy::default()) else { return };
    let used = async {
        let mut stream = store.stream("ops");
        let committed = store.commit(vec![to(&["ops"], event(99))]).await;
        if committed.is_ok() {
            let mut last = 0;
            while let Ok(deliveries) = stream.take(5).await {
                for delivery in &deliveries {
                    assert!(delivery.id.0 > last, "each comes once, in order");
                    last = delivery.id.0;
                }
                if deliveries.iter().any(|delivery| number(delivery) == 99) {
                    break;
                }
            }
        }
        // Errors are fine here; panics and endless loops are not.
        let asked = (store.events(EventFilter::default()).await, store.dead(DeadFilter::default()).await);
        let more = (store.incidents().await, store.backlog().await, store.replay(DeadFilter::default()).await);
        let kept = (store.silences().await, store.notes("ops").await, store.expire_silences(None).await);
        drop((asked, more, kept, store.close().await));
    };
    tokio::time::timeout(PATIENCE, used).await.expect("no endless loop");
}

#[tokio::test]
async fn a_file_that_was_cut_anywhere_is_survived() {
    let folder = folder();
    let (main, log) = crashed(&folder).await;
    for cut in (0..main.len()).step_by(main.len() / 40 + 1) {
        survives(&folder, &main[..cut], &log).await;
        survives(&folder, &main[..cut], &[]).await;
    }
    for cut in (0..log.len()).step_by(log.len() / 40 + 1) {
        survives(&folder, &main, &log[..cut]).await;
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_survived() {
    let folder = folder();
    let (main, log) = crashed(&folder).await;
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    };
    // All of the header, and a sample of the rest.
    for at in (0..100).chain((100..main.len()).step_by(main.len() / 120 + 1)) {
        survives(&folder, &flipped(&main, at), &log).await;
    }
    for at in (0..32).chain((32..log.len()).step_by(log.len() / 60 + 1)) {
        survives(&folder, &main, &flipped(&log, at)).await;
    }
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_with_a_warning() {
    let folder = folder();
    let (main, log) = crashed(&folder).await;
    let path = file(&folder);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "this is no database, whatever its name says").unwrap();
    let store = opened(&path);
    let [warning] = store.warnings() else { panic!("one warning, not {:?}", store.warnings()) };
    let aside = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".damaged-"))
        .expect("the file is kept");
    assert!(warning.contains(&*aside.to_string_lossy()) && warning.contains("starts empty"), "{warning}");
    store.close().await.unwrap();

    // The main file is gone, its log is not: nothing may be deleted silently.
    let path = folder.path().join("emptied.db");
    for (main, log, warnings) in [(&[][..], &log[..], 1), (&[], &[], 1), (&main, &log, 0)] {
        std::fs::write(&path, main).unwrap();
        std::fs::write(beside(&path, "-wal"), log).unwrap();
        let store = opened(&path);
        assert_eq!(store.warnings().len(), warnings, "{:?}", store.warnings());
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_no_longer_matches_its_checksum_becomes_a_dead_letter() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    store.commit((0..3).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    store.close().await.unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE event SET body = '{\"number\":7}' WHERE seq = 2", []).unwrap();
    db.execute("DELETE FROM event WHERE seq = 3", []).unwrap();
    drop(db);
    let store = opened(&path);
    let mut stream = store.stream("ops");
    assert_eq!(number(&taken(&mut stream, 1).await[0]), 0);
    assert_empty(&mut stream).await;
    store.flush().await.unwrap();
    let dead = store.dead(DeadFilter::default()).await.unwrap();
    let whys: Vec<_> = dead.iter().map(|letter| letter.delivery.why.as_deref().unwrap_or_default()).collect();
    assert_eq!(
        whys,
        [
            "the stored `body` is damaged: its checksum does not match",
            "the event it belongs to is missing from the state file"
        ]
    );
    assert_eq!(backlog(&store, "ops").await, (1, 2));
    let rows = store.events(EventFilter::default()).await.unwrap();
    assert!(rows[0].damage.is_some() && rows[1].damage.is_none());
}

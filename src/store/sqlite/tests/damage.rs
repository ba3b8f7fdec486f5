//! Content that is none.

use std::fs;

use super::{Disk, open, save, some_record, token};
use crate::error::ErrorKind;
use crate::store::Saved;
use crate::store::conformance::service;

/// What may befall a sound database of ours.
fn damages(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let page_of_noise = |page: usize| {
        let mut content = good.to_vec();
        let start = (page - 1) * 4096 + 8;
        content[start..start + 512].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(37) ^ 0xa5);
        content
    };
    vec![
        ("half", good[..good.len() / 2].to_vec()),
        ("all but its last byte", good[..good.len() - 1].to_vec()),
        ("all but its last page", good[..good.len() - 4096].to_vec()),
        ("the header only", good[..100].to_vec()),
        ("zeros", vec![0; good.len()]),
        ("noise", (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("text", b"hunter2".to_vec()),
        ("text that begins like a database", b"SQLite format 3 - or is it?".to_vec()),
        ("noise in the first page", page_of_noise(1)),
        ("noise in the second page", page_of_noise(2)),
    ]
}

#[tokio::test]
async fn a_damaged_database_is_renamed_with_one_warning_and_the_store_goes_on_empty() {
    let disk = Disk::new();
    save(&disk.path, "a", "hunter2", None).await.unwrap();
    let good = fs::read(&disk.path).unwrap();
    for (n, (what, content)) in damages(&good).iter().enumerate() {
        fs::write(&disk.path, content).unwrap();
        let loaded = open(&disk.path).load(&service("a")).await.unwrap();
        assert!(loaded.record.is_none(), "{what}");
        let [warning] = &loaded.warnings[..] else { panic!("{what}") };
        assert_eq!(warning.kind(), ErrorKind::Storage, "{what}");
        assert!(!warning.message().contains("hunter2"), "{what}");
        let damaged = disk.damaged();
        assert_eq!(damaged.len(), n + 1, "{what}");
        let next = open(&disk.path).load(&service("a")).await.unwrap();
        assert!(next.record.is_none() && next.warnings.is_empty(), "{what}");
        save(&disk.path, "a", "fresh", None).await.unwrap();
        assert_eq!(token(&disk.path, "a").await.as_deref(), Some("fresh"), "{what}");
    }
}

#[tokio::test]
async fn a_database_damaged_under_a_running_process_is_set_aside_when_it_is_met() {
    for n in 0..10 {
        let disk = Disk::new();
        save(&disk.path, "a", "hunter2", None).await.unwrap();
        let (what, content) = damages(&fs::read(&disk.path).unwrap()).swap_remove(n);
        let running = open(&disk.path);
        running.load(&service("a")).await.unwrap().record.unwrap();
        fs::remove_file(&disk.path).unwrap();
        fs::write(&disk.path, content).unwrap();
        let saved = running.save(&service("a"), &some_record("fresh"), None, None).await.unwrap();
        assert!(matches!(saved, Saved::Stored(_)), "{what}");
        assert_eq!((disk.damaged().len(), running.take_warnings().len()), (1, 1), "{what}");
        assert_eq!(token(&disk.path, "a").await.as_deref(), Some("fresh"), "{what}");
    }
}

#[tokio::test]
async fn a_database_cut_without_a_new_time_is_noticed_as_well() {
    for bytes in [0, 6000] {
        let disk = Disk::new();
        let running = open(&disk.path);
        running.save(&service("a"), &some_record("one"), None, None).await.unwrap();
        let file = fs::File::options().write(true).open(&disk.path).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(time).unwrap();
        running.save(&service("a"), &some_record("two"), None, None).await.unwrap();
        assert_eq!(token(&disk.path, "a").await.as_deref(), Some("two"), "{bytes}");
    }
}

#[tokio::test]
async fn an_empty_file_is_an_empty_database() {
    let disk = Disk::new();
    fs::write(&disk.path, "").unwrap();
    let loaded = open(&disk.path).load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none() && loaded.warnings.is_empty());
    save(&disk.path, "a", "one", None).await.unwrap();
    assert!(disk.damaged().is_empty());
}

#[tokio::test]
async fn a_damaged_database_that_holds_tables_of_others_is_left_as_it_is() {
    let disk = Disk::new();
    disk.sql().execute_batch("CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('ann');").unwrap();
    save(&disk.path, "a", "one", None).await.unwrap();
    let root: u16 = disk
        .sql()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'token_cache'", [], |row| row.get(0))
        .unwrap();
    let mut content = fs::read(&disk.path).unwrap();
    let root = usize::from(root);
    content[(root - 1) * 4096..root * 4096].fill(0xee);
    fs::write(&disk.path, &content).unwrap();
    let error = open(&disk.path).load(&service("a")).await.unwrap_err();
    assert!(error.message().contains("tables of others"), "{error}");
    assert!(disk.damaged().is_empty());
    assert_eq!(disk.text("SELECT name FROM users"), "ann");
}

#[tokio::test]
async fn processes_that_meet_the_same_damage_set_one_database_aside() {
    let disk = Disk::new();
    fs::write(&disk.path, "damage").unwrap();
    let savers: Vec<_> = (0..8)
        .map(|n| {
            // Two spellings of one path are two databases to this process, as two processes are.
            let path = disk.directory.path().join("./".repeat(n)).join("token-cache.db");
            crate::runtime::spawn(async move { save(&path, &format!("s{n}"), "one", None).await }).unwrap()
        })
        .collect();
    for saver in savers {
        assert!(saver.await.unwrap().is_some());
    }
    for n in 0..8 {
        assert_eq!(token(&disk.path, &format!("s{n}")).await.as_deref(), Some("one"));
    }
    assert_eq!(disk.damaged().len(), 1);
}

#[tokio::test]
async fn no_flipped_bit_brings_another_token() {
    let disk = Disk::new();
    let ring = std::sync::Arc::new(
        crate::crypto::KeyRing::configured(vec![crate::crypto::generate_key().unwrap()]).unwrap(),
    );
    let sealed =
        || crate::store::SealedStore::new(std::sync::Arc::new(disk.place()), std::sync::Arc::clone(&ring));
    sealed().save(&service("a"), &some_record("one"), None, None).await.unwrap();
    let good = fs::read(&disk.path).unwrap();
    for n in 0..64 {
        let bit = good.len() * 8 * n / 64;
        let mut content = good.clone();
        content[bit / 8] ^= 1 << (bit % 8);
        fs::write(&disk.path, content).unwrap();
        if let Ok(loaded) = sealed().load(&service("a")).await
            && let Some((found, _)) = loaded.record
        {
            assert_eq!(found.access_token.secret().expose(), "one", "bit {bit}");
        }
    }
}

//! Content that is not a database.

use std::fs;

use super::{new_disk, some_record};
use crate::store::Saved;
use crate::store::conformance::on_disk::Damage;
use crate::store::conformance::service;

/// What may happen to a sound database of ours.
pub(super) fn damages(good: &[u8]) -> Vec<Damage> {
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
async fn a_database_damaged_under_a_running_process_is_set_aside_when_it_is_met() {
    for n in 0..10 {
        let disk = new_disk();
        disk.save("a", "hunter2", None).await.unwrap();
        let (what, content) = damages(&fs::read(&disk.path).unwrap()).swap_remove(n);
        let running = disk.open();
        running.load(&service("a")).await.unwrap().record.unwrap();
        fs::remove_file(&disk.path).unwrap();
        fs::write(&disk.path, content).unwrap();
        let saved = running.save(&service("a"), &some_record("fresh"), None, None).await.unwrap();
        assert!(matches!(saved, Saved::Stored(_)), "{what}");
        assert_eq!((disk.damaged().len(), running.take_warnings().len()), (1, 1), "{what}");
        assert_eq!(disk.token("a").await.as_deref(), Some("fresh"), "{what}");
    }
}

#[tokio::test]
async fn a_database_cut_without_a_new_time_is_noticed_as_well() {
    for bytes in [0, 6000] {
        let disk = new_disk();
        let running = disk.open();
        running.save(&service("a"), &some_record("one"), None, None).await.unwrap();
        let file = fs::File::options().write(true).open(&disk.path).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(time).unwrap();
        running.save(&service("a"), &some_record("two"), None, None).await.unwrap();
        assert_eq!(disk.token("a").await.as_deref(), Some("two"), "{bytes}");
    }
}

#[tokio::test]
async fn an_empty_file_is_an_empty_database() {
    let disk = new_disk();
    fs::write(&disk.path, "").unwrap();
    let loaded = disk.open().load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none() && loaded.warnings.is_empty());
    disk.save("a", "one", None).await.unwrap();
    assert!(disk.damaged().is_empty());
}

#[tokio::test]
async fn a_damaged_database_that_holds_tables_of_others_is_left_as_it_is() {
    let disk = new_disk();
    disk.sql().execute_batch("CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('ann');").unwrap();
    disk.save("a", "one", None).await.unwrap();
    let root: u16 = disk
        .sql()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'token_cache'", [], |row| row.get(0))
        .unwrap();
    let mut content = fs::read(&disk.path).unwrap();
    let root = usize::from(root);
    content[(root - 1) * 4096..root * 4096].fill(0xee);
    fs::write(&disk.path, &content).unwrap();
    let error = disk.open().load(&service("a")).await.unwrap_err();
    assert!(error.message().contains("tables of other programs"), "{error}");
    assert!(disk.damaged().is_empty());
    assert_eq!(disk.text("SELECT name FROM users"), "ann");
}

//! Content that is not a store.

use std::fs;

use super::*;
use crate::error::ErrorKind;

pub(super) async fn a_damaged_store_is_renamed_with_one_warning_and_goes_on_empty(disk: Disk) {
    disk.save("a", "hunter2", None).await.unwrap();
    let good = fs::read(&disk.path).unwrap();
    for (n, (what, content)) in (disk.engine.damages)(&good).iter().enumerate() {
        fs::write(&disk.path, content).unwrap();
        let loaded = disk.open().load(&service("a")).await.unwrap();
        assert!(loaded.record.is_none(), "{what}");
        let [warning] = &loaded.warnings[..] else { panic!("{what}") };
        assert_eq!(warning.kind(), ErrorKind::Storage, "{what}");
        assert!(!warning.message().contains("hunter2"), "{what}");
        assert_eq!(disk.damaged().len(), n + 1, "{what}");
        let next = disk.open().load(&service("a")).await.unwrap();
        assert!(next.record.is_none() && next.warnings.is_empty(), "{what}");
        disk.save("a", "fresh", None).await.unwrap();
        assert_eq!(disk.token("a").await.as_deref(), Some("fresh"), "{what}");
    }
}

pub(super) async fn a_save_over_damage_keeps_the_damage(disk: Disk) {
    for content in ["damage one", "damage two"] {
        fs::write(&disk.path, content).unwrap();
        disk.save("a", "one", None).await.unwrap();
    }
    let mut kept: Vec<_> = disk
        .damaged()
        .iter()
        .map(|name| fs::read_to_string(disk.directory.path().join(name)).unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["damage one", "damage two"]);
}

pub(super) async fn processes_that_meet_the_same_damage_set_it_aside_once(disk: Disk) {
    fs::write(&disk.path, "damage").unwrap();
    let savers: Vec<_> = (0..8)
        .map(|n| {
            // Two spellings of one path are two stores to this process, as they are to two processes.
            let disk = disk.at(PathBuf::from("./".repeat(n)).join(disk.engine.file_name));
            crate::runtime::spawn(async move { disk.save(&format!("s{n}"), "one", None).await }).unwrap()
        })
        .collect();
    for saver in savers {
        assert!(saver.await.unwrap().is_some());
    }
    for n in 0..8 {
        assert_eq!(disk.token(&format!("s{n}")).await.as_deref(), Some("one"));
    }
    assert_eq!(disk.damaged().len(), 1);
}

pub(super) async fn no_flipped_bit_brings_another_token(disk: Disk) {
    let ring = new_ring();
    let store = disk.open_sealed(&ring);
    store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    drop(store);
    let good = fs::read(&disk.path).unwrap();
    let flips = disk.engine.flipped_bits;
    for n in 0..flips {
        let bit = good.len() * 8 * n / flips;
        let mut content = good.clone();
        content[bit / 8] ^= 1 << (bit % 8);
        fs::write(&disk.path, content).unwrap();
        if let Ok(loaded) = disk.open_sealed(&ring).load(&service("a")).await
            && let Some((found, _)) = loaded.record
        {
            assert_eq!(found.access_token.as_ref().unwrap().secret().expose(), "one", "bit {bit}");
        }
    }
}

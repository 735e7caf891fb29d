//! Where the runtime says that images and writable layers lie (S-17, S-24).

use std::path::PathBuf;

use super::cri;

/// A path on each filesystem of the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeFilesystems {
    /// Of images.
    pub images: PathBuf,
    /// Of writable layers; that of images where the runtime names no other.
    pub containers: PathBuf,
}

impl RuntimeFilesystems {
    /// The first filesystem of each kind, as the kubelet takes it; `None` when the runtime names none.
    pub(super) fn of(answer: &cri::ImageFsInfoResponse) -> Option<Self> {
        let first = |usages: &[cri::FilesystemUsage]| {
            let mountpoint = &usages.first()?.fs_id.as_ref()?.mountpoint;
            (!mountpoint.is_empty()).then(|| PathBuf::from(mountpoint))
        };
        let images = first(&answer.image_filesystems)?;
        let containers = first(&answer.container_filesystems).unwrap_or_else(|| images.clone());
        Some(Self { images, containers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_counts() {
        // Name, image and container filesystems told, images and containers found.
        type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Option<(&'a str, &'a str)>);
        let usages = |paths: &[&str]| -> Vec<_> {
            let usage = |path: &&str| {
                let mountpoint = (*path).to_owned();
                cri::FilesystemUsage { fs_id: Some(cri::FilesystemIdentifier { mountpoint }) }
            };
            paths.iter().map(usage).collect()
        };
        let cases: [Case<'_>; 5] = [
            ("containerd", &["/i"], &[], Some(("/i", "/i"))),
            ("split", &["/i"], &["/c"], Some(("/i", "/c"))),
            ("several", &["/i", "/j"], &["/c", "/d"], Some(("/i", "/c"))),
            ("none", &[], &["/c"], None),
            ("empty", &[""], &[], None),
        ];
        for (name, images, containers, expected) in cases {
            let answer = cri::ImageFsInfoResponse {
                image_filesystems: usages(images),
                container_filesystems: usages(containers),
            };
            let expected = expected.map(|(images, containers)| RuntimeFilesystems {
                images: images.into(),
                containers: containers.into(),
            });
            assert_eq!(RuntimeFilesystems::of(&answer), expected, "{name}");
        }
    }
}

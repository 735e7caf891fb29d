//! evictd's configuration file.

use std::path::Path;

use evictd::config::Config;

use crate::{place::points_into, text};

/// Reads the text as a configuration: a mistake has a place in it.
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    match Config::parse(Path::new("evictd.yaml"), text) {
        Ok(config) => {
            let paths = [&config.root_directory, &config.pod_logs_dir, &config.pods];
            assert!(paths.iter().all(|path| path.is_absolute()), "{paths:?}");
            assert!(!config.policy.transition_period.is_zero(), "{:?}", config.policy);
        }
        Err(error) => points_into(text, &error),
    }
}

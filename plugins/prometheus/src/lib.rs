//! The prometheus plugin.

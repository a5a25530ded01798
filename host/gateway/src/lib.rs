//! What a plugin may send: endpoints by name, method and path rules, header hygiene, budgets.

//! What must hold of every page in every state.

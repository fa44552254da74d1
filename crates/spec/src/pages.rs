//! The hosted pages, walked as a person walks them and attacked as a stranger would.

mod walks;

"""Reading archives: who may, pages, folded views, live streams, exports, the audit log."""

"""Reading archives: pages, folded views, conversations, live streams, exports."""

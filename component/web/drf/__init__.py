"""What the APIs in the form of Django REST framework share: errors, fields, pages, paths."""

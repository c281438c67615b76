"""Commands of the API that no ejabberd has over HTTP: Muniment itself runs them."""

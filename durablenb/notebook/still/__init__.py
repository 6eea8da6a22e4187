"""Still pictures: objects as SVG, HTML and text, which need no kernel, no script and no network."""

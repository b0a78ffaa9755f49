PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin

.PHONY: demo test docs clean

# Nothing is compiled at installation (a minute and a half), but what is imported when it is; and
# kept, whatever the environment says: importing TensorFlow takes three times as long without.
export PYTHONDONTWRITEBYTECODE =

# Set up, learn a texture, sample it fresh, export it, and sample the export alone.
demo: $(VENV)/demo
	$(RUN)/python -m genconv_tf.demo --output demo

test: $(VENV)/dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pytest -n 2 --dist loadfile

# The documentation site, with the gallery: python -m http.server --directory site
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict

$(VENV)/demo: setup.py
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --no-compile --editable '.[demo]'
	touch $@

$(VENV)/docs: setup.py
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --no-compile --editable '.[docs]'
	touch $@

$(VENV)/dev: setup.py
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --no-compile --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info demo site

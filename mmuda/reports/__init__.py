# Copyright (c) mmuda authors, Apache-2.0.

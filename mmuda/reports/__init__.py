# Copyright (c) mmuda authors.

package handlers_test

import (
	"os"
	"testing"

	"twite/models/modelstest"
)

func TestMain(m *testing.M) { os.Exit(modelstest.Main(m)) }

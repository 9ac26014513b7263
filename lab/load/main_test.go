package load_test

import (
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
)

func TestMain(m *testing.M) { os.Exit(labtest.Main(m)) }

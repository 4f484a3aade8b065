package metrics_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

// deploy is the folder with the files to deploy with, project that of the project.
var (
	project = ".."
	deploy  = filepath.Join(project, "configs", "deploy")
)

// service is a service of compose.yaml.
type service struct {
	Image       string
	Build       *struct{ Context, Dockerfile string }
	Environment map[string]string
	Ports       []string
	Volumes     []string
	DependsOn   []string      `yaml:"depends_on"`
	StopGrace   time.Duration `yaml:"stop_grace_period"`
}

// mount returns what of this folder is mounted at a path.
func (s service) mount(t *testing.T, at string) string {
	t.Helper()
	for _, volume := range s.Volumes {
		if source, rest, _ := strings.Cut(volume, ":"); strings.TrimSuffix(rest, ":ro") == at {
			return filepath.Join(deploy, filepath.FromSlash(source))
		}
	}
	require.Fail(t, "nothing is mounted", "at %s, only %v", at, s.Volumes)
	return ""
}

func readCompose(t *testing.T) map[string]service {
	t.Helper()
	var file struct {
		Services map[string]service
		Volumes  map[string]any
	}
	readYAML(t, filepath.Join(deploy, "compose.yaml"), &file)
	for name, s := range file.Services {
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(source, ".") {
				require.Contains(t, file.Volumes, source, name)
			}
		}
	}
	require.Subset(t, slices.Collect(maps.Keys(file.Services)), []string{"crmsyncd", "sandbox", "prometheus", "grafana"})
	return file.Services
}

func TestComposeNamesWhatExists(t *testing.T) {
	services := readCompose(t)
	for name, s := range services {
		for _, volume := range s.Volumes {
			if source, _, _ := strings.Cut(volume, ":"); strings.HasPrefix(source, ".") {
				_, err := os.Stat(filepath.Join(deploy, filepath.FromSlash(source)))
				require.NoError(t, err, name)
				require.True(t, strings.HasSuffix(volume, ":ro"), "%s may write to %s", name, volume)
			}
		}
		for _, port := range s.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s can be reached from elsewhere at %s", name, port)
		}
		for _, other := range s.DependsOn {
			require.Contains(t, services, other, name)
		}
		if s.Build != nil {
			require.FileExists(t, filepath.Join(deploy, s.Build.Context, s.Build.Dockerfile), name)
		} else {
			require.Regexp(t, `:v?\d+\.\d+\.\d+$`, s.Image, "%s: the image has no version", name)
		}
	}
}

// TestComposeGivesTheDaemonItsConfiguration reads the configuration as the daemon would in its container.
func TestComposeGivesTheDaemonItsConfiguration(t *testing.T) {
	services := readCompose(t)
	daemon := services["crmsyncd"]
	var environ []string
	for name, value := range daemon.Environment {
		environ = append(environ, name+"="+value)
	}
	config, err := configs.Load(daemon.mount(t, "/etc/crmsyncd/crmsyncd.yaml"), environ)
	require.NoError(t, err)
	require.Greater(t, daemon.StopGrace, config.ShutdownTimeout)
	require.True(t, strings.HasPrefix(config.Outbox.Path, "/var/lib/crmsyncd/"))
	require.Contains(t, daemon.Volumes, "outbox:/var/lib/crmsyncd")

	var prometheus struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			Authorization struct{ Credentials string }
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, services["prometheus"].mount(t, "/etc/prometheus/prometheus.yaml"), &prometheus)
	require.Equal(t, filepath.Join(deploy, "..", "..", "metrics", "prometheus", "rules"),
		services["prometheus"].mount(t, "/etc/prometheus/rules"))
	require.Equal(t, []string{"rules/*.yaml"}, prometheus.RuleFiles)
	job := prometheus.ScrapeConfigs[0]
	require.Equal(t, "crmsyncd", job.JobName, "the rules are for this job")
	require.Equal(t, config.Admin.Token.Reveal(), job.Authorization.Credentials)
	_, port, _ := strings.Cut(daemon.Environment["CRMSYNCD_ADMIN__LISTEN"], ":")
	require.Equal(t, []string{"crmsyncd:" + port}, job.StaticConfigs[0].Targets)
}

func TestComposeGivesGrafanaTheDashboards(t *testing.T) {
	grafana := readCompose(t)["grafana"]
	var source struct {
		Datasources []struct{ Type, URL string }
	}
	readYAML(t, grafana.mount(t, "/etc/grafana/provisioning/datasources/prometheus.yaml"), &source)
	require.Equal(t, "prometheus", source.Datasources[0].Type)
	require.Equal(t, "http://prometheus:9090", source.Datasources[0].URL)
	var boards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, grafana.mount(t, "/etc/grafana/provisioning/dashboards/crmsyncd.yaml"), &boards)
	folder := grafana.mount(t, boards.Providers[0].Options.Path)
	require.Equal(t, filepath.Join(deploy, "..", "..", "metrics", "grafana"), folder)
	home := grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	require.Equal(t, boards.Providers[0].Options.Path, filepath.Dir(home))
	require.FileExists(t, filepath.Join(folder, filepath.Base(home)))
}

// TestImageIsBuiltFromAllFolders: a folder that the builder does not get breaks the build only where it is built.
func TestImageIsBuiltFromAllFolders(t *testing.T) {
	sent, err := os.ReadFile(filepath.Join(deploy, "Dockerfile.dockerignore"))
	require.NoError(t, err)
	entries, err := os.ReadDir(project)
	require.NoError(t, err)
	for _, e := range entries {
		nested, err := filepath.Glob(filepath.Join(project, e.Name(), "*", "*.go"))
		require.NoError(t, err)
		direct, err := filepath.Glob(filepath.Join(project, e.Name(), "*.go"))
		require.NoError(t, err)
		if len(nested)+len(direct) > 0 && !strings.HasPrefix(e.Name(), ".") {
			require.Contains(t, strings.Split(string(sent), "\n"), "!"+e.Name())
		}
	}
	file, err := os.ReadFile(filepath.Join(deploy, "Dockerfile"))
	require.NoError(t, err)
	module, err := os.ReadFile(filepath.Join(project, "go.mod"))
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))[1]
	require.Contains(t, string(file), "FROM golang:"+version+" ")
	require.Contains(t, string(file), "USER 65532:65532\n", "not root")
}

// unit returns the settings of the systemd unit; of one that is there several times, the last.
func unit(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deploy, "crmsyncd.service"))
	require.NoError(t, err)
	settings := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = value
		}
	}
	return settings
}

func TestUnitFitsTheDaemon(t *testing.T) {
	settings, config := unit(t), configs.Default()
	stop, err := time.ParseDuration(settings["TimeoutStopSec"])
	require.NoError(t, err)
	require.Greater(t, stop, config.ShutdownTimeout)
	files, err := strconv.Atoi(settings["LimitNOFILE"])
	require.NoError(t, err)
	require.GreaterOrEqual(t, files, config.Receiver.MaxConnections+64)
	require.Equal(t, "on-failure", settings["Restart"])
	require.Equal(t, "2", settings["RestartPreventExitStatus"], "a wrong configuration stays wrong")
	require.NotContains(t, settings, "ProcSubset", "process_start_time_seconds needs /proc/stat")
}

// analyze runs systemd-analyze on a unit.
func analyze(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed: apt-get install systemd")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	require.NoError(t, err, "systemd-analyze %s:\n%s", strings.Join(args, " "), out)
}

func TestSystemdFindsTheUnitHardened(t *testing.T) {
	const tenths = "15" // 1.5 of 10
	analyze(t, "security", "--offline=true", "--no-pager", "--threshold="+tenths, filepath.Join(deploy, "crmsyncd.service"))
}

// TestSystemdTakesTheUnit puts a program that is here in the place of the daemon, which need not be installed.
func TestSystemdTakesTheUnit(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(deploy, "crmsyncd.service"))
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "crmsyncd.service")
	installed := strings.ReplaceAll(string(content), "/usr/local/bin/crmsyncd", program)
	require.NoError(t, os.WriteFile(path, []byte(installed), 0o600))
	analyze(t, "verify", "--man=no", path)
}

{{- define "evictd.selector" -}}
app.kubernetes.io/name: evictd
{{- end }}

{{- define "evictd.labels" -}}
{{ include "evictd.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "evictd.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "evictd.capabilities" -}}
{{- $all := list "BPF" "PERFMON" "DAC_READ_SEARCH" "SYS_PTRACE" "IPC_LOCK" "SYS_NICE" -}}
{{- if eq .Values.mode "enforce" -}}
{{- $all = concat $all (list "KILL" "DAC_OVERRIDE") -}}
{{- end -}}
{{- concat $all .Values.extraCapabilities | uniq | toYaml -}}
{{- end }}

{{/* Above the kubelet's defaults, so that evictd acts first and the kubelet stays the backstop. */}}
{{- define "evictd.thresholds" -}}
memory.available: 200Mi
nodefs.available: 12%
nodefs.inodesFree: 6%
imagefs.available: 17%
imagefs.inodesFree: 6%
pid.available: "1000"
{{- end }}

{{/* evictd.yaml, with the directories that are mounted where they are not the usual ones. */}}
{{- define "evictd.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- with .Values.kubelet -}}
{{- if not (or .configFile .ask $config.evictionHard) -}}
{{- $_ := set $config "evictionHard" (include "evictd.thresholds" $ | fromYaml) -}}
{{- end -}}
{{- if ne .rootDirectory "/var/lib/kubelet" -}}
{{- $_ := set $config "rootDirectory" .rootDirectory -}}
{{- end -}}
{{- if ne .podLogsDirectory "/var/log/pods" -}}
{{- $_ := set $config "podLogsDir" .podLogsDirectory -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

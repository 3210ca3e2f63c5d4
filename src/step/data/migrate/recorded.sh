# Makes `recorded` run the client as one that knows the run's name, for the record.
run=$(printf '%s' "${WINDLASS_RUN:-}" | tr -cd 'A-Za-z0-9-')

recorded() {
    case $kind in
        postgres) client --set="windlass_run=$run" "$@" ;;
        mysql) client --init-command="SET @windlass_run = '$run'" "$@" ;;
    esac
}

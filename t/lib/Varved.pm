package Varved;
# A broker for one test script, and what such scripts share.
#
#   my $broker = Varved->start('num.partitions=4');
#   $broker->address; $broker->crash; $broker->restart; $broker->stop;
#
# The broker is varved, on a free port, with its data in a directory of its own that is kept when
# the script fails. To try a test itself: VARVE_TEST_BOOTSTRAP=HOST:PORT takes a broker that runs
# already, VARVE_TEST_BOOTSTRAP=kafka starts the peer kafka-broker; what only varved can do is
# skipped then. VARVED names another program than the one that was built.
use strict;
use warnings;
use Exporter 'import';
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(peer peer_program lines_of run long_run topic_name);

# How long a broker may take to start or to end before we call it hung.
use constant PATIENCE => 120;

my @running;
my $top = $ENV{srcdir} // '.';
my $peers = $ENV{VARVE_PEERS} // ($ENV{HOME} // '/root') . '/.cache/varve-peers';

# ---- peers

sub absent {
    my ($what) = @_;
    my $why = "no $what; ./quickstart.sh test installs it";
    if (($ENV{VARVE_REQUIRE_PEERS} // '') eq '1') {
        plan tests => 1;
        fail('the peer is there');
        diag($why);
        exit 1;
    }
    plan skip_all => $why;
}

# A program of a peer that t/peers/install.sh installs, or the script ends here.
sub peer {
    my ($path) = @_;
    -x "$peers/$path" or absent("$path in $peers");
    return "$peers/$path";
}

# A program that a Debian package brings.
sub peer_program {
    my ($name) = @_;
    my ($dir) = grep { -x "$_/$name" } split /:/, $ENV{PATH};
    defined $dir or absent($name);
    return "$dir/$name";
}

sub long_run { return defined $ENV{VARVE_LONG} }

my $names = 0;

# A name that no other run of any script has used.
sub topic_name {
    my ($what) = @_;
    return sprintf('%s-%x-%d-%d', $what, time, $$, ++$names);
}

# run(INPUT, COMMAND...): what it printed and its exit code; INPUT is undef or what it reads. What
# it says on stderr is ours.
sub run {
    my ($input, @command) = @_;
    my $file = File::Temp->new;
    if (defined $input) {
        print $file $input;
        $file->flush;
    }
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open(STDIN, '<', defined $input ? $file->filename : '/dev/null') or die "stdin: $!";
        exec @command or die "$command[0]: $!";
    }
    local $/;
    my $text = <$out>;
    close($out);
    return wantarray ? ($text // '', $? >> 8 || $? & 127) : $text // '';
}

sub lines_of {
    return split /\n/, scalar run(@_);
}

# ---- the broker

sub start {
    my ($class, @options) = @_;
    my $given = $ENV{VARVE_TEST_BOOTSTRAP} // '';
    my $self = bless { options => \@options, real => $given eq '' }, $class;

    if ($given ne '' && $given ne 'kafka') {
        $self->{address} = $given;
        return $self;
    }
    $self->{dir} = tempdir('varved-XXXXXX', TMPDIR => 1);
    push @running, $self;
    $given eq 'kafka' ? $self->start_kafka : $self->launch;
    return $self;
}

sub address { return $_[0]{address} }
sub dir { return $_[0]{dir} }

# Whether this is varved, and not what a test is tried on.
sub is_varved { return $_[0]{real} }

sub start_kafka {
    my ($self) = @_;
    my $start = peer('kafka-broker/bin/start');
    my @single = map { "$_=1" } qw(offsets.topic.replication.factor
        transaction.state.log.replication.factor transaction.state.log.min.isr
        share.coordinator.state.topic.replication.factor share.coordinator.state.topic.min.isr);
    my ($address, $code) = run(undef, $start, "$self->{dir}/kafka", @single, @{ $self->{options} });
    $code == 0 or die "Kafka does not start\n";
    chomp($self->{address} = $address);
    $self->{stop_kafka} = peer('kafka-broker/bin/stop');
}

# A free port at first; the same one after that, so that clients come back.
sub launch {
    my ($self) = @_;
    my $program = $ENV{VARVED} // ($ENV{builddir} // '.') . '/server/main/varved';
    my $listen = 'PLAINTEXT://' . ($self->{address} // '127.0.0.1:0');
    my @command = ($program, map { ('-o', $_) }
        "listeners=$listen", "log.dirs=$self->{dir}/data", 'admin.listeners=', @{ $self->{options} });

    -x $program or die "no $program: make\n";
    unlink "$self->{dir}/out";
    $self->{pid} = fork // die "fork: $!";
    if ($self->{pid} == 0) {
        open(STDIN, '<', '/dev/null') or die "stdin: $!";
        open(STDOUT, '>', "$self->{dir}/out") or die "out: $!";
        open(STDERR, '>>', "$self->{dir}/log") or die "log: $!";
        exec @command or die "$program: $!";
    }
    for (1 .. PATIENCE * 100) {
        return if $self->is_ready;
        $self->has_ended and die "varved ended at once: @command\n" . $self->last_words;
        sleep 0.01;
    }
    die "varved does not get ready\n" . $self->last_words;
}

sub is_ready {
    my ($self) = @_;
    open(my $f, '<', "$self->{dir}/out") or return 0;
    my $line = <$f> // '';
    return 0 if $line !~ m{^ready\b.*?PLAINTEXT://(\S+:\d+).*\n};
    $self->{address} = $1;
    return 1;
}

sub has_ended {
    my ($self) = @_;
    return 1 if !defined $self->{pid};
    return 0 if waitpid($self->{pid}, WNOHANG) == 0;
    $self->{status} = $?;
    delete $self->{pid};
    return 1;
}

sub signal_and_wait {
    my ($self, $signal) = @_;
    kill $signal => $self->{pid} if defined $self->{pid};
    for (1 .. PATIENCE * 100) {
        return $self->{status} if $self->has_ended;
        sleep 0.01;
    }
    kill KILL => $self->{pid};
    waitpid($self->{pid}, 0);
    delete $self->{pid};
    return $self->{status} = -1;
}

# As after a power button: nothing is flushed, closed or said.
sub crash {
    my ($self) = @_;
    return $self->signal_and_wait('KILL');
}

sub restart {
    my ($self) = @_;
    $self->signal_and_wait('TERM');
    return $self->launch;
}

# A test of its own: ended when asked, without a word about memory or a thread.
sub stop {
    my ($self) = @_;
    return if !$self->{real};
    my $status = $self->signal_and_wait('TERM');
    my $log = $self->log_text;
    ok($status == 0 && $log !~ /Sanitizer|runtime error|assertion/i, 'the server stops cleanly')
        or diag("status $status\n" . $self->last_words);
}

sub log_text {
    my ($self) = @_;
    open(my $f, '<', "$self->{dir}/log") or return '';
    local $/;
    return <$f> // '';
}

sub last_words {
    my ($self) = @_;
    my @lines = split /\n/, $self->log_text;
    return join("\n", @lines > 30 ? @lines[-30 .. -1] : @lines) . "\n";
}

# The client's program prints lines of TAP; they become ours. One whose output ends without a plan
# has failed.
sub tests_of {
    my ($self, @command) = @_;
    my ($planned, $seen) = (undef, 0);
    local $ENV{BOOTSTRAP} = $self->address;
    my $pid = open(my $out, '-|', @command) // die "$command[0]: $!";
    while (my $line = <$out>) {
        chomp $line;
        if ($line =~ /^1\.\.(\d+)/) {
            $planned = $1;
        } elsif ($line =~ /^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$/) {
            $seen++;
            SKIP: {
                skip("$2: $3", 1) if defined $3;
                ok(!defined $1, $2);
            }
        } elsif ($line =~ /^# (.*)/) {
            diag($1);
        }
    }
    close($out);
    ok(defined $planned && $planned == $seen, 'all of them ran')
        or diag("status $?, $seen tests of " . ($planned // 'an unknown number'));
}

END {
    my $code = $?;
    for my $self (@running) {
        if (defined $self->{stop_kafka}) {
            system($self->{stop_kafka}, "$self->{dir}/kafka");
        } elsif (defined $self->{pid}) {
            kill KILL => $self->{pid};
            waitpid($self->{pid}, 0);
        }
        if ($code == 0 && Test::More->builder->is_passing) {
            remove_tree($self->{dir});
        } else {
            diag("kept: $self->{dir}");
            diag($self->last_words);
        }
    }
    $? = $code;
}

1;

//! AWS as moto has it: IAM, STS, S3 and KMS in one process, which checks signatures and policies once it is told to.

use std::time::Duration;

use jackfield_peers::{PeerError, Process, Result, http, ports, process, python::Environment, record};
use serde_json::Value;
use tempfile::TempDir;

const NAME: &str = "moto";
const VERSION: &str = "5.2.5";

/// One running server.
#[derive(Debug)]
pub struct Moto {
    _process: Process,
    address: String,
    _folder: TempDir,
}

/// An access key.
#[derive(Debug)]
pub struct AccessKey {
    /// Its ID.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl Moto {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<Moto> {
        let environment = Environment::with(NAME, &[&format!("moto[server]=={VERSION}")])?;
        process::on_free_ports(|| {
            let folder = tempfile::tempdir().map_err(|error| PeerError::failed(NAME, error))?;
            let port = ports::free();
            let address = format!("127.0.0.1:{port}");
            let mut command = environment.program("moto_server");
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            let mut process = Process::start(NAME, &mut command, &folder.path().join("log"))?;
            process.wait_ready(Duration::from_secs(60), || {
                http::get(&address, "/moto-api/").is_ok_and(|response| response.status == 200)
            })?;
            record::used(NAME, VERSION);
            Ok(Moto { _process: process, address, _folder: folder })
        })
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks a service something while nothing is checked yet; the answer.
    ///
    /// # Panics
    /// When it refuses.
    pub fn ask(&self, service: &str, method: &str, path: &str, body: &str) -> String {
        let content_type = if service == "s3" { "text/plain" } else { "application/x-www-form-urlencoded" };
        self.send(service, method, path, &[("content-type", content_type)], body)
    }

    /// Asks a service that speaks JSON something while nothing is checked yet; the answer.
    ///
    /// # Panics
    /// When it refuses.
    pub fn ask_json(&self, service: &str, target: &str, body: &Value) -> Value {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let answer = self.send(service, "POST", "/", &headers, &body.to_string());
        if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    fn send(&self, service: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        // Only the service's name in it is looked at.
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [&[("authorization", signed.as_str())], headers].concat();
        let response = http::request(&self.address, method, path, &headers, body.as_bytes()).unwrap();
        assert!(response.status < 300, "{method} {path} {body}: {} {}", response.status, response.text());
        response.text()
    }

    /// Makes a user who may do what a policy (JSON) allows, with an access key.
    pub fn user(&self, name: &str, policy: &str) -> AccessKey {
        let iam = |form: String| self.ask("iam", "POST", "/", &format!("{form}&Version=2010-05-08"));
        iam(format!("Action=CreateUser&UserName={name}"));
        let policy = http::encode(policy);
        iam(format!("Action=PutUserPolicy&UserName={name}&PolicyName=p&PolicyDocument={policy}"));
        let answer = iam(format!("Action=CreateAccessKey&UserName={name}"));
        AccessKey { id: element(&answer, "AccessKeyId"), secret: element(&answer, "SecretAccessKey") }
    }

    /// Makes a role that everybody of the account may take over and that may do what a policy allows; its ARN.
    pub fn role(&self, name: &str, policy: &str) -> String {
        let iam = |form: String| self.ask("iam", "POST", "/", &format!("{form}&Version=2010-05-08"));
        let trust = http::encode(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#,
        );
        let answer = iam(format!("Action=CreateRole&RoleName={name}&AssumeRolePolicyDocument={trust}"));
        iam(format!("Action=PutRolePolicy&RoleName={name}&PolicyName=p&PolicyDocument={}", http::encode(policy)));
        element(&answer, "Arn")
    }

    /// From now on signatures and policies are checked.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let response = http::request(&self.address, "POST", "/moto-api/reset-auth", &[], b"0").unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
    }
}

/// The text of the first element of a name.
fn element(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split_once('<').map_or(rest, |(value, _)| value).to_owned()
}
